import Foundation
import IO

/// What this program sets for Open MPI before it starts, where the user has set nothing: no message between ranks goes
/// through an interface that leads to no other host.
struct OpenMPISettings {
  /// Open MPI's own default, which ours adds to.
  private static let excludedByDefault = "127.0.0.1/8,sppp"
  /// The parameters that settle it. Open MPI takes only one of them.
  private static let parameters = ["btl_tcp_if_include", "btl_tcp_if_exclude"]

  /// The variables to set, by name.
  let variables: [String: String]

  /// - Parameters:
  ///   - files: the texts of Open MPI's parameter files.
  init(interfaces: [String], environment: [String: String], files: [String]) {
    let isSet = Self.parameters.contains { name in
      environment["OMPI_MCA_\(name)"] != nil || files.contains { Self.sets(name, in: $0) }
    }
    variables =
      isSet || interfaces.isEmpty
      ? [:] : ["OMPI_MCA_btl_tcp_if_exclude": ([Self.excludedByDefault] + interfaces).joined(separator: ",")]
  }

  /// Sets them for this process, if the MPI library is Open MPI.
  static func apply(_ environment: [String: String]) {
    guard Communicator.libraryVersion.hasPrefix("Open MPI") else { return }
    // A file that isn't there or can't be read sets nothing: Open MPI reads the same ones, and passes over such a file too.
    let files = parameterFiles(environment).compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }
    let settings = OpenMPISettings(
      interfaces: NetworkInterfaces.excluded, environment: environment, files: files)
    for (name, value) in settings.variables { setenv(name, value, 0) }
  }

  private static func sets(_ name: String, in file: String) -> Bool {
    file.split(whereSeparator: \.isNewline).contains { line in
      line.prefix { $0 != "=" && $0 != "#" }.trimmingCharacters(in: .whitespaces) == name
    }
  }

  /// Where Open MPI looks for parameters: in the user's folder, in the system's, and beside the library.
  private static func parameterFiles(_ environment: [String: String]) -> [String] {
    for name in ["OMPI_MCA_mca_base_param_files", "OMPI_MCA_mca_param_files"] {
      if let files = environment[name] { return files.split { ",:".contains($0) }.map(String.init) }
    }
    let file = "openmpi-mca-params.conf"
    var paths = ["/etc/openmpi/\(file)", "/etc/\(file)"]
    if let home = environment["HOME"] { paths.append("\(home)/.openmpi/mca-params.conf") }
    if let prefix = environment["OPAL_PREFIX"] { paths.append("\(prefix)/etc/\(file)") }
    // The library's own folder, by the file that it is loaded from.
    // Without it the other places remain.
    let maps = KernelFile.text("/proc/self/maps") ?? ""
    if let line = maps.split(separator: "\n").first(where: { $0.contains("/libmpi.so") }),
      let start = line.firstIndex(of: "/")
    {
      let folder = URL(fileURLWithPath: String(line[start...])).deletingLastPathComponent()
      for up in ["..", "../.."] { paths.append(folder.appendingPathComponent("\(up)/etc/\(file)").path) }
    }
    return paths
  }
}
