import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("launch")
  struct LaunchTests {
    /// A stand-in for mpirun: notes its arguments and the hostfile, and does what line N of `script` says at its start N.
    private struct StandIn {
      let scratch: ScratchFolder

      init(_ scratch: ScratchFolder, _ script: String...) throws {
        self.scratch = scratch
        try write(
          "mpirun",
          """
          #!/bin/sh
          if [ "$1" = --version ]; then echo 'mpirun (Open MPI) 4.1.4'; exit 0; fi
          cd '\(scratch.url.path)'
          echo "$@" >> starts
          while [ $# -gt 0 ]; do [ "$1" = --hostfile ] && { cat "$2"; echo; } >> hostfiles; shift; done
          exec sh -c "$(sed -n "$(wc -l < starts)p" script)"
          """)
        // Reaches every host but those whose name begins with gone.
        try write("agent", "#!/bin/sh\ncase \"$1\" in gone*) exit 255;; *) exec sh -c \"$2\";; esac\n")
        try (script.joined(separator: "\n") + "\n").write(
          to: scratch.file("script"), atomically: true, encoding: .utf8)
      }

      private func write(_ name: String, _ text: String) throws {
        try text.write(to: scratch.file(name), atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: scratch.file(name).path)
      }

      /// - Parameter prefix: a command before the program.
      func launch(_ options: String..., command: [String] = ["score", "--model", "m"], prefix: [String] = [])
        async throws
        -> MPIRun
      {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return try await MPIRun.launch(
          "headimpact", ["launch", "--pause", "0"] + options + ["--"] + command,
          environment: [
            "PATH": "\(scratch.url.path):\(path)", "OMPI_MCA_plm_rsh_agent": scratch.file("agent").path,
          ], prefix: prefix)
      }

      /// The arguments of each start.
      func starts() throws -> [String] { try lines("starts") }
      func lines(_ name: String) throws -> [String] {
        try String(contentsOf: scratch.file(name), encoding: .utf8).split(separator: "\n").map(String.init)
      }
    }

    @Test("a job that loses ranks is started again with --resume")
    func restarts() async throws {
      try await ScratchFolder.with { scratch in
        let standIn = try StandIn(scratch, "exit 75", "exit 137", "kill -9 $$", "echo done; exit 0")
        let run = try await standIn.launch("-np", "4")
        #expect(run.exitCode == 0 && run.standardOutput == "done\n", "\(run.standardError)")
        let starts = try standIn.starts()
        #expect(starts.map { $0.hasSuffix(" --resume") } == [false, true, true, true])
        #expect(
          starts.allSatisfy { $0.hasPrefix("-np 4 ") && $0.contains("-x PATH ") && $0.contains("/headimpact score") })
        #expect(run.standardError.contains("launch: restart 3 of 3"))
        #expect(run.standardError.contains("launch: mpirun -np 4 "))
      }
    }

    @Test(
      "an end that isn't a lost rank's isn't followed by a start",
      arguments: [("exit 1", 1), ("exit 2", 2), ("exit 64", 64), ("exit 134", 134), ("exit 0", 0)] as [(String, Int32)])
    func ends(script: String, code: Int32) async throws {
      try await ScratchFolder.with { scratch in
        let standIn = try StandIn(scratch, script)
        let run = try await standIn.launch("--host", "localhost:2,other:2")
        #expect(run.exitCode == code, "\(run.standardError)")
        #expect(try standIn.starts().count == 1)
      }
    }

    @Test(
      "there are as many restarts as were asked for",
      arguments: [("exit 137", 137), ("exit 205", 75), ("exit 75", 75)] as [(String, Int32)])
    func exhausted(script: String, code: Int32) async throws {
      try await ScratchFolder.with { scratch in
        let standIn = try StandIn(scratch, script, script, "exit 0")
        let run = try await standIn.launch("--restarts", "1")
        #expect(run.exitCode == code && run.standardError.contains("no restart is left of 1"), "\(run.standardError)")
        #expect(try standIn.starts().count == 2)
      }
    }

    @Test("a host that no longer answers is left out, and ranks with it; one that is back is used again")
    func lostHost() async throws {
      try await ScratchFolder.with { scratch in
        let agent = scratch.file("agent").path
        // Its end says nothing about hosts: exit code 1. Then "gone" answers again.
        let standIn = try StandIn(scratch, "exit 1", "sed -i s/gone/nobody/ '\(agent)'; exit 205", "exit 0")
        let hostfile = scratch.file("hosts")
        try "localhost slots=2\ngone slots=3 # far away\nother slots=4\n".write(
          to: hostfile, atomically: true, encoding: .utf8)
        let run = try await standIn.launch("-np", "9", "--hostfile", hostfile.path)
        #expect(run.exitCode == 0, "\(run.standardError)")
        #expect(run.standardError.contains("gone does not answer and is left out"))
        let starts = try standIn.starts()
        #expect(starts.map { $0.split(separator: " ")[1] } == ["9", "6", "9"])
        #expect(starts[0] == starts[2].replacingOccurrences(of: " --resume", with: ""))
        let hostfiles = try String(contentsOf: scratch.file("hostfiles"), encoding: .utf8)
        let all = "localhost slots=2\ngone slots=3 # far away\nother slots=4\n\n"
        #expect(hostfiles == all + "localhost slots=2\nother slots=4\n\n" + all)
      }
    }

    @Test("SIGTERM ends the job with 75, without a restart; Open MPI is sent SIGUSR1, which it forwards")
    func stopped() async throws {
      try await ScratchFolder.with { scratch in
        let standIn = try StandIn(scratch, "trap 'echo saved >&2; exit 75' USR1; while :; do sleep 0.1; done")
        let starts = scratch.file("starts").path
        let script = "\"$@\" & p=$!; while [ ! -s '\(starts)' ]; do sleep 0.1; done; sleep 0.5; kill -TERM $p; wait $p"
        let run = try await standIn.launch(prefix: ["sh", "-c", script, "sh"])
        #expect(run.exitCode == 75 && run.standardError.contains("saved"), "\(run.standardError)")
        #expect(try standIn.starts().count == 1 && run.seconds < 15)
      }
    }

    @Test("a job that loses a rank ends with the same texts")
    func realLoss() async throws {
      try await ScratchFolder.with { scratch in
        let demo = scratch.file("demo")
        try await succeed(["demo", "--output", demo.path, "--scenes", "200"])
        let inputs = [
          "--model", "\(demo.path)/model", "--dataset", "\(demo.path)/dataset/keyobjects.json", "--images",
          "\(demo.path)/dataset/images", "--threads", "1", "--quiet",
        ]
        let (alone, lost) = (scratch.file("alone.json"), scratch.file("lost.json"))
        try await succeed(["generate"] + inputs + ["--output", alone.path])
        let options = (geteuid() == 0 ? "--allow-run-as-root " : "") + "--oversubscribe --bind-to none"
        async let launched = MPIRun.launch(
          "headimpact",
          ["launch", "-np", "2", "--pause", "0", "--mpirun-options", options, "--", "generate"] + inputs
            + ["--output", lost.path], timeout: 120)
        let killed = await killRank(1, writing: lost.path)
        let run = try await launched
        #expect(run.exitCode == 0, "\(run.standardError)")
        // A quick machine may be done before.
        #expect(!killed || run.standardError.contains("restart 1 of 3"), "\(run.standardError)")
        #expect(!run.standardError.contains("restart 2 of 3"))
        #expect(try Data(contentsOf: alone) == Data(contentsOf: lost))
      }
    }

    /// Kills a rank as soon as its run has a journal.
    ///
    /// - Returns: whether there was one to kill.
    private func killRank(_ rank: Int, writing output: String) async -> Bool {
      let end = ContinuousClock.now + .seconds(60)
      while ContinuousClock.now < end {
        try? await Task.sleep(for: .milliseconds(20))
        if FileManager.default.fileExists(atPath: output) { return false }
        guard FileManager.default.fileExists(atPath: output + ".journal") else { continue }
        let ids = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for id in ids.compactMap({ pid_t($0) }) {
          guard let words = FileManager.default.contents(atPath: "/proc/\(id)/cmdline"),
            let environment = FileManager.default.contents(atPath: "/proc/\(id)/environ"),
            String(decoding: words, as: UTF8.self).contains("\0\(output)\0"),
            String(decoding: environment, as: UTF8.self).contains("OMPI_COMM_WORLD_RANK=\(rank)\0")
          else { continue }
          return kill(id, SIGKILL) == 0
        }
      }
      return false
    }

    @Test(
      "wrong usage exits with 64",
      arguments: [
        (["launch"], "after --"), (["launch", "--", "select", "x"], "select"),
        (["launch", "--restarts", "-1", "--", "score"], "--restarts"),
        (["launch", "--host", "a", "--hostfile", "b", "--", "score"], "not both"),
        (["launch", "--mpirun-options", "'a", "--", "score"], "quote"),
      ])
    func usage(arguments: [String], word: String) async throws {
      let run = try await MPIRun.launch("headimpact", arguments)
      #expect(run.exitCode == 64 && run.standardError.contains(word), "\(run.standardError)")
    }

    @Test("what keeps a job from being started exits with 1 and says what is wrong")
    func refused() async throws {
      try await ScratchFolder.with { scratch in
        let hosts = scratch.file("hosts")
        try "a\nb slots=none\n".write(to: hosts, atomically: true, encoding: .utf8)
        let cases: [([String], String)] = [
          (["--hostfile", hosts.path], "line 2"), (["--hostfile", scratch.file("no").path], "no such file"),
          (["--mpirun", "no-such-mpirun"], "no-such-mpirun"), (["--mpirun-options", "-np 3"], "-np"),
        ]
        for (options, word) in cases {
          let run = try await MPIRun.launch("headimpact", ["launch"] + options + ["--", "score"])
          #expect(run.exitCode == 1 && run.standardError.lowercased().contains(word), "\(run.standardError)")
        }
      }
    }
  }
}
