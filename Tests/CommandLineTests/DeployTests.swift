import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  /// The scripts of deploy/ with stand-ins for a cluster's programs. tools/deploy/test_batch.py runs them on real ones.
  @Suite("Scripts for clusters")
  struct DeployTests {
    private static let deploy = Repository.root.appendingPathComponent("deploy")
    private static let scripts = [
      "score.slurm", "train.slurm", "experiment.slurm", "shards.slurm", "gather.slurm", "score.pbs", "score.lsf",
    ]
    /// What a cluster's launcher does here: it starts one process of what follows its options.
    private static let launcher = """
      #!/bin/bash
      [ "$1" = --version ] && { echo "mpirun (Open MPI) 4.1.4"; exit; }
      while [[ $1 != headimpact && $1 != */headimpact ]]; do shift; done
      exec "$@"
      """
    /// The environment of a job on one node.
    private static let job = [
      "SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "2",
      "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "2", "LSB_MCPU_HOSTS": "localhost 1", "RANKS_PER_NODE": "1",
      "THREADS": "1",
    ]

    private func program(_ name: String, _ text: String, in folder: URL) throws {
      let file = folder.appendingPathComponent(name)
      try Data(text.utf8).write(to: file)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
    }

    /// A folder with programs that stand for a cluster's; `scontrol` and `qsub` write what they were told to a file.
    private func programs(_ scratch: ScratchFolder) throws -> URL {
      let folder = scratch.file("bin")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      for name in ["mpirun", "srun"] { try program(name, Self.launcher, in: folder) }
      for name in ["scontrol", "qsub"] {
        try program(name, "#!/bin/bash\necho \"$@\" >> '\(scratch.file("told").path)'\n", in: folder)
      }
      try FileManager.default.createSymbolicLink(
        at: folder.appendingPathComponent("headimpact"),
        withDestinationURL: MPIRun.productFolder.appendingPathComponent("headimpact"))
      return folder
    }

    private func submit(
      _ script: String, _ arguments: [String] = [], programs: URL, environment: [String: String] = [:]
    ) async throws -> MPIRun {
      let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
      return try await MPIRun.run(
        ["bash", Self.deploy.appendingPathComponent(script).path] + arguments, timeout: 120,
        environment: Self.job.merging(environment) { $1 }.merging(["PATH": "\(programs.path):\(path)"]) { $1 },
        folder: programs)
    }

    private func inputs(output: URL) -> [String: String] {
      let tiny = TinyCase.nested
      return [
        "MODEL": tiny.model.path, "DATASET": tiny.dataset.path, "IMAGES": tiny.images.path, "OUTPUT": output.path,
      ]
    }

    @Test("score.slurm works when resubmitted, after a kill, and after it has finished", arguments: ["mpirun", "srun"])
    func score(launcher: String) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("results/hi.h5")
        let programs = try programs(scratch)
        let environment = inputs(output: output).merging(["LAUNCHER": launcher]) { $1 }
        for attempt in ["the first", "finished", "after a kill"] {
          if attempt == "after a kill" {
            try FileManager.default.removeItem(at: output)
            // The first bytes of a journal are all that the run wrote.
            try Data("HIJOUR".utf8).write(to: output.appendingPathExtension("journal"))
          }
          let run = try await submit("score.slurm", programs: programs, environment: environment)
          #expect(run.exitCode == 0, "\(attempt): \(run.standardError)")
          #expect(run.standardOutput.contains("already finished") == (attempt == "finished"), "\(run.standardOutput)")
          #expect(run.standardOutput.contains("layer"), "\(run.standardOutput)")
          #expect(FileManager.default.fileExists(atPath: output.path))
        }
      }
    }

    @Test("shards.slurm and gather.slurm make an output without MPI")
    func shards() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("results/hi.h5")
        let programs = try programs(scratch)
        for task in ["1", "2"] {
          let environment = inputs(output: output).merging(["SLURM_ARRAY_TASK_ID": task]) { $1 }
          let run = try await submit("shards.slurm", programs: programs, environment: environment)
          #expect(run.exitCode == 0, "\(run.standardError)")
        }
        let run = try await submit("gather.slurm", programs: programs, environment: inputs(output: output))
        #expect(run.exitCode == 0, "\(run.standardError)")
        #expect(run.standardOutput.contains("layer"), "\(run.standardOutput)")
      }
    }

    @Test("shards.slurm refuses a part of an array that doesn't say of how many shards")
    func partOfAnArray() async throws {
      try await ScratchFolder.with { scratch in
        let environment = inputs(output: scratch.file("hi.h5")).merging(
          ["SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "4"]) { $1 }
        let run = try await submit("shards.slurm", programs: try programs(scratch), environment: environment)
        #expect(run.exitCode == 1)
        #expect(run.standardError.contains("SHARDS="), "\(run.standardError)")
      }
    }

    @Test(
      "an interrupted job is queued again, a bounded number of times, and no other end is",
      arguments: [
        ("score.slurm", "requeue 12"), ("train.slurm", "requeue 12"), ("experiment.slurm", "requeue 12"),
        ("shards.slurm", "requeue 12_1"), ("score.pbs", "RESTART=1"),
      ])
    func queuedAgain(script: String, told: String) async throws {
      for (code, restart, isQueued) in [(75, "0", true), (75, "20", false), (1, "0", false), (2, "0", false)] {
        try await ScratchFolder.with { scratch in
          let programs = try programs(scratch)
          try FileManager.default.removeItem(at: programs.appendingPathComponent("headimpact"))
          try program("headimpact", "#!/bin/bash\nexit \(code)\n", in: programs)
          let environment = [
            "SLURM_RESTART_COUNT": restart, "OUTPUT": scratch.file("hi.h5").path, "PBS_NODEFILE": "nodes",
          ].merging(script.hasSuffix("pbs") ? ["RESTART": restart] : [:]) { $1 }
          let run = try await submit(
            script, script == "train.slurm" ? ["--layers", "0"] : [], programs: programs, environment: environment)
          #expect(run.exitCode == code, "\(run.standardError)")
          let orders = try? String(contentsOf: scratch.file("told"), encoding: .utf8)
          #expect((orders ?? "").contains(told) == isQueued, "code \(code), restart \(restart): \(orders ?? "nothing")")
        }
      }
    }

    @Test(
      "a job that Slurm ends waits for the program's last line, and isn't queued again",
      arguments: ["score.slurm", "train.slurm", "experiment.slurm", "shards.slurm"])
    func ended(script: String) async throws {
      try await ScratchFolder.with { scratch in
        let programs = try programs(scratch)
        try FileManager.default.removeItem(at: programs.appendingPathComponent("headimpact"))
        try program(
          "headimpact", "#!/bin/bash\nkill -TERM $PPID\nsleep 0.5\necho the last line >&2\nexit 75\n", in: programs)
        let run = try await submit(
          script, script == "train.slurm" ? ["--layers", "0"] : [], programs: programs,
          environment: ["OUTPUT": scratch.file("hi.h5").path])
        #expect(run.exitCode == 75 && run.standardError.contains("the last line"), "\(run.standardError)")
        #expect(!FileManager.default.fileExists(atPath: scratch.file("told").path))
      }
    }

    @Test("the program understands the scripts' command lines", arguments: scripts)
    func commandLines(script: String) async throws {
      try await ScratchFolder.with { scratch in
        let missing = scratch.file("missing").path
        try Data("localhost\n".utf8).write(to: scratch.file("nodes"))
        let environment = [
          "MODEL": missing, "DATASET": missing, "IMAGES": missing, "FILE": missing, "OUTPUT": scratch.file("out").path,
          "PBS_NODEFILE": scratch.file("nodes").path,
        ]
        let run = try await submit(
          script, script == "train.slurm" ? ["--layers", "0"] : [], programs: try programs(scratch),
          environment: environment)
        // What it is to read isn't there: 1. Wrong usage would be 64.
        #expect(run.exitCode == 1, "\(run.standardError)")
        #expect(!run.standardError.contains("Usage:"), "\(run.standardError)")
      }
    }

    @Test("every script is one that bash reads", arguments: scripts)
    func syntax(script: String) async throws {
      let run = try await MPIRun.run(["bash", "-n", Self.deploy.appendingPathComponent(script).path])
      #expect(run.exitCode == 0 && run.standardError.isEmpty, "\(run.standardError)")
    }

    @Test("the scripts that start ranks under Slurm do so in the same way")
    func sameLauncher() throws {
      let functions = try ["score.slurm", "train.slurm", "experiment.slurm"].map { name in
        let text = try String(contentsOf: Self.deploy.appendingPathComponent(name), encoding: .utf8)
        return text.components(separatedBy: "launch() {").last?.components(separatedBy: "\n}\n").first ?? name
      }
      #expect(Set(functions).count == 1)
    }

    @Test("docs/cluster.md names every file of deploy/ and hostfiles/")
    func documented() throws {
      let text = try String(contentsOf: Repository.root.appendingPathComponent("docs/cluster.md"), encoding: .utf8)
      for folder in ["deploy", "hostfiles"] {
        let root = Repository.root.appendingPathComponent(folder)
        let names = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
        #expect(!names.isEmpty)
        for name in names where !name.hasPrefix("image/") {
          var isFolder: ObjCBool = false
          _ = FileManager.default.fileExists(atPath: root.appendingPathComponent(name).path, isDirectory: &isFolder)
          #expect(isFolder.boolValue || text.contains("\(folder)/\(name)"), "\(folder)/\(name)")
        }
      }
    }
  }
}
