import Testing

@testable import MessagePassing

@Suite("What is set for Open MPI")
struct OpenMPISettingsTests {
  private func excluded(
    _ interfaces: [String] = ["docker0"], _ environment: [String: String] = [:], files: [String] = []
  ) -> String? {
    OpenMPISettings(interfaces: interfaces, environment: environment, files: files)
      .variables["OMPI_MCA_btl_tcp_if_exclude"]
  }

  @Test("interfaces of containers are excluded besides what Open MPI excludes itself")
  func exclusion() {
    #expect(excluded(["docker0", "virbr0"]) == "127.0.0.1/8,sppp,docker0,virbr0")
    #expect(excluded([]) == nil)
  }

  @Test(
    "what the user has set stays as it is",
    arguments: ["btl_tcp_if_include", "btl_tcp_if_exclude"])
  func usersOwn(parameter: String) {
    #expect(excluded(["docker0"], ["OMPI_MCA_\(parameter)": "eth0"]) == nil)
    #expect(excluded(files: ["# interfaces\n  \(parameter)= eth0\n"]) == nil)
    #expect(excluded(files: ["#\(parameter) = eth0\nbtl = ^openib\n\(parameter)x = 1\n"]) != nil)
  }

  @Test(
    "containers' and virtual machines' interfaces are known by their names",
    arguments: ["docker0", "br-0123456789ab", "virbr0", "cni0", "veth12ab", "flannel.1", "vboxnet0"])
  func virtual(name: String) { #expect(NetworkInterfaces.isVirtual(name)) }

  @Test("others aren't", arguments: ["eth0", "enp3s0", "ib0", "bond0", "br0", "br-storage", "wlan0", "tun0", "vlan7"])
  func real(name: String) { #expect(!NetworkInterfaces.isVirtual(name)) }

  @Test("a host that has no other interface keeps them")
  func onlyVirtual() {
    let loop = NetworkInterfaces.Interface(name: "lo", isLoopback: true)
    let docker = NetworkInterfaces.Interface(name: "docker0", isLoopback: false)
    let ethernet = NetworkInterfaces.Interface(name: "eth0", isLoopback: false)
    #expect(NetworkInterfaces.excluded(among: [loop, docker]) == [])
    #expect(NetworkInterfaces.excluded(among: [loop, docker, ethernet, docker]) == ["docker0"])
  }
}
