import Foundation
import TestSupport
import Testing

/// Every verb, and the subcommands of those that have some, as words after `headimpact`.
private let commands: [[String]] = [
  [], ["score"], ["gather"], ["select"], ["train"], ["merge"], ["generate"], ["evaluate"], ["dataset"],
  ["dataset", "build"], ["dataset", "preview"], ["dataset", "check"], ["experiment"], ["report"], ["compare"],
  ["attend"], ["ablate"], ["ground"], ["launch"],
  ["doctor"], ["demo"],
]

extension CommandLineSuite {
  @Suite("Help")
  struct HelpTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Help")
    /// `make help-texts` sets it: the files are then written instead of compared.
    private static let writes = ProcessInfo.processInfo.environment["WRITE_HELP_TEXTS"] == "1"

    @Test("--help says what its file in Tests/CommandLineTests/Help does", arguments: commands)
    func text(command: [String]) async throws {
      let help = try await help(command)
      let name = (["headimpact"] + command).joined(separator: "-") + ".txt"
      let file = Self.folder.appendingPathComponent(name)
      if Self.writes { return try Data(help.utf8).write(to: file) }
      let known = try String(contentsOf: file, encoding: .utf8)
      #expect(help == known, "\(name) is of another text: `make help-texts` writes it anew; then read what git shows")
    }

    @Test("no file is left of a command that is gone")
    func files() throws {
      guard !Self.writes else { return }
      let known = Set(commands.map { (["headimpact"] + $0).joined(separator: "-") + ".txt" })
      let found = Set(try FileManager.default.contentsOfDirectory(atPath: Self.folder.path))
      #expect(found == known)
    }

    @Test("the program names every verb that is tested here, and no other", arguments: [[], ["dataset"]])
    func verbs(command: [String]) async throws {
      let found = try await help(command).components(separatedBy: "SUBCOMMANDS:\n").last.map(Self.verbs) ?? []
      #expect(found == commands.filter { $0.dropLast() == command[...] && !$0.isEmpty }.compactMap(\.last))
    }

    @Test("the completions of every shell know every verb", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) async throws {
      let run = try await headimpact("--generate-completion-script", shell)
      #expect(run.exitCode == 0, "\(run.standardError)")
      let words = Set(run.standardOutput.split { !$0.isLetter && $0 != "-" })
      for verb in commands.joined() { #expect(words.contains(Substring(verb)), "\(verb)") }
    }

    /// A text as 80 columns show it.
    private func help(_ command: [String]) async throws -> String {
      let run = try await MPIRun.launch("headimpact", command + ["--help"], environment: ["COLUMNS": "80"])
      #expect(run.exitCode == 0 && run.standardError.isEmpty, "\(run.standardError)")
      return run.standardOutput
    }

    /// The first word of every line that is indented by two: further lines of a verb are indented more.
    private static func verbs(_ list: String) -> [String] {
      list.components(separatedBy: "\n\n")[0].split(separator: "\n")
        .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }.compactMap {
          $0.split(separator: " ").first.map(String.init)
        }
    }
  }
}
