import Testing

@testable import Launching

@Suite("Hosts of a job")
struct HostListTests {
  private func read(_ text: String) throws -> HostList { try HostList(hostfile: text, path: "hosts") }

  @Test("a hostfile names hosts with slots, users and comments")
  func file() throws {
    let list = try read(
      """
      # four hosts
      node0 slots=16   # the first
      \tnode1 slots = 8 max-slots=12

      alice@node2 sockets=2
      node3.example.org:4
      10.0.0.7 max_slots=3 username=bob
      """)
    #expect(list.hosts.map(\.name) == ["node0", "node1", "node2", "node3.example.org", "10.0.0.7"])
    #expect(list.hosts.map(\.slots) == [16, 8, nil, 4, nil])
    #expect(list.hosts.map(\.login) == ["node0", "node1", "alice@node2", "node3.example.org", "bob@10.0.0.7"])
    #expect(list.slots == nil)
    #expect(try read("a slots=2\nb slots=3\n").slots == 5)
  }

  @Test("a repeated host is one host; its lines stay together, and their slots add up")
  func repeated() throws {
    let list = try read("a\nb slots=2\na\nb slots=1\n")
    #expect(list.hosts.map(\.name) == ["a", "b"] && list.hosts.map(\.slots) == [2, 3])
    #expect(list.without(["b"]).hostfile == "a\na\n")
    #expect(list.without(["a"]).hostfile == "b slots=2\nb slots=1\n")
  }

  @Test("what is left of a hostfile is written as it was read, without comments")
  func left() throws {
    let list = try read("alice@a slots = 4 max-slots=5 # big\nb slots=2\r\n")
    #expect(list.without(["b"]).hostfile == "alice@a slots = 4 max-slots=5\n")
    #expect(list.without(["a"]).hostfile == "b slots=2\n")
  }

  @Test("--host names hosts with their slots, one if it states none")
  func names() throws {
    let list = try HostList(names: "a:16,b,b,c:*")
    #expect(list.hosts.map(\.name) == ["a", "b", "c"] && list.hosts.map(\.slots) == [16, 2, nil])
    #expect(list.without(["a"]).names == "b,b,c:*")
  }

  @Test(
    "a list that can't be understood is refused, with the line",
    arguments: [
      ("a slots=x", "line 1"), ("a\nb slots=0", "line 2"), ("+n0", "+n0"), ("a\n^b", "line 2"),
      ("# nothing\n", "no host"),
      ("@a", "@a"), ("a:b", "a:b"), ("a slots=-1", "slots=-1"),
    ])
  func refused(text: String, word: String) throws {
    let error = try #require(throws: LaunchError.self) { try read(text) }
    #expect(error.description.contains(word) && error.description.hasPrefix("hosts"), "\(error)")
  }
}
