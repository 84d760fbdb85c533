import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("doctor")
  struct DoctorTests {
    private struct Diagnosis: Decodable {
      struct Fact: Decodable {
        let name: String
        let value: String
      }
      struct Size: Decodable {
        let images: Int
        let visual_tokens: Int
        let views: Int
      }
      struct Estimate: Decodable {
        let samples: Int
        let images: Int
        let unusable_images: Int
        let tera_operations: Double
        let seconds: Double
        let largest_visual_tokens: Int
        let common_sizes: [Size]
        let shared_bytes: Int
        let private_bytes_per_rank: Int
      }
      struct Report: Decodable {
        let rank: Int
        let host: String
        let processors: [Int]
      }
      let facts: [Fact]
      let problems: [String]
      let notes: [String]
      let estimate: Estimate?
      let reports: [Report]?

      func value(_ name: String) -> String? { facts.first { $0.name == name }?.value }
    }

    @Test("a machine on which one rank fits has nothing wrong, as JSON and as a table")
    func healthy() async throws {
      let run = try await headimpact("doctor", "--format", "json")
      #expect(run.exitCode == 0, "\(run.standardOutput)")
      let diagnosis = try run.json(Diagnosis.self)
      #expect(diagnosis.problems.isEmpty && diagnosis.estimate == nil)
      for name in ["MPI", "instructions", "HDF5", "bf16 instructions", "cores", "memory"] {
        #expect(diagnosis.facts.contains { $0.name == name && !$0.value.isEmpty }, "\(name)")
      }
      let table = try await headimpact("doctor")
      #expect(table.exitCode == 0)
      #expect(table.standardOutput.contains("No problems found."))
    }

    @Test("more threads than cores are wrong, and exit with 1")
    func oversubscribed() async throws {
      let run = try await headimpact("doctor", "--ranks", "4000", "--threads", "2", "--format", "json")
      #expect(run.exitCode == 1)
      #expect(
        try run.json(Diagnosis.self).problems.contains { $0.contains("4000 ranks of 2 threads are more than the ") })
    }

    @Test("cores that the process may not use don't count, and more threads than the others are wrong")
    func affinity() async throws {
      // On the first of the processors that this process may use.
      let first = #"$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)"#
      let bound = ["sh", "-c", "exec taskset -c \(first) \"$@\"", "sh"]
      let run = try await MPIRun.launch("headimpact", ["doctor", "--format", "json"], prefix: bound)
      let diagnosis = try run.json(Diagnosis.self)
      #expect(run.exitCode == 0 && diagnosis.problems.isEmpty, "\(diagnosis.problems)")
      #expect(diagnosis.facts.contains { $0.name == "cores" && ($0.value == "1" || $0.value.hasPrefix("1 of ")) })
      #expect(diagnosis.facts.contains { $0.name == "ranks x threads" && $0.value == "1 x 1" })
      let more = try await MPIRun.launch("headimpact", ["doctor", "--threads", "2", "--format", "json"], prefix: bound)
      #expect(more.exitCode == 1)
      #expect(try more.json(Diagnosis.self).problems.contains { $0.contains("--threads 1") })
    }

    @Test("a model and a dataset give an estimate, exact in what can be counted")
    func estimate() async throws {
      let tiny = TinyCase.nested
      let run = try await headimpact(
        "doctor", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--format", "json")
      #expect(run.exitCode == 0, "\(run.standardOutput)")
      let estimate = try #require(try run.json(Diagnosis.self).estimate)
      #expect(estimate.samples == 8 && estimate.images == 4 && estimate.unusable_images == 0)
      #expect(estimate.largest_visual_tokens == 35)
      let most = try #require(estimate.common_sizes.first)
      #expect(most.images >= 1 && (1...35).contains(most.visual_tokens) && most.views == 1)
      let weights = try FileManager.default.attributesOfItem(
        atPath: tiny.model.appendingPathComponent("model.safetensors").path)[.size]
      #expect(estimate.shared_bytes == weights as? Int)
      #expect(estimate.tera_operations > 0 && estimate.seconds > 0 && estimate.private_bytes_per_rank > 100 << 20)

      let fewer = try await headimpact(
        "doctor", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--limit", "2", "--format", "json")
      #expect(try run.json(Diagnosis.self).estimate?.samples == 8)
      #expect(try fewer.json(Diagnosis.self).estimate?.samples == 2)
    }

    @Test("without a dataset it says the visual tokens of usual photographs, and their views")
    func visualTokens() async throws {
      let tiny = try #require(TinyCase.all.first { $0.name == "internvl" })
      let run = try await headimpact("doctor", "--model", tiny.model.path)
      #expect(run.standardOutput.contains("112 in 7 views of 640x480 pixels"), "\(run.standardOutput)")
      #expect(run.standardOutput.contains("internvl, "))
    }

    @Test("a model folder that can't be used exits with 1 and is named")
    func wrongModel() async throws {
      try await ScratchFolder.with { scratch in
        let run = try await headimpact("doctor", "--model", scratch.url.path)
        #expect(run.exitCode == 1)
        #expect(run.standardError.contains(scratch.url.path), "\(run.standardError)")
      }
    }

    @Test("under mpirun every rank reports, and what it reads is compared", arguments: [2, 3])
    func ranks(count: Int) async throws {
      try await ScratchFolder.with { scratch in
        let tiny = TinyCase.nested
        let arguments = [
          "doctor", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--images", tiny.images.path,
          "--output",
          scratch.file("hi.h5").path,
        ]
        let run = try await run(arguments + ["--format", "json"], ranks: count)
        let diagnosis = try run.json(Diagnosis.self)
        // Fewer cores than ranks are this machine's problem.
        #expect(diagnosis.problems.allSatisfy { $0.contains("available to") }, "\(diagnosis.problems)")
        #expect(run.exitCode == (diagnosis.problems.isEmpty ? 0 : 1))
        #expect(try #require(diagnosis.reports).map(\.rank) == Array(0..<count))
        #expect(diagnosis.value("ranks") == "\(count) on 1 host")
        #expect(diagnosis.value("images")?.contains(" MiB, SHA-256 ") == true)
        for name in [
          "program", "MPI", "processor", "libraries", "binding", "memory", "limits", "networks", "model files", "time",
        ] {
          #expect(diagnosis.value(name)?.isEmpty == false, "\(name)")
        }
        #expect(diagnosis.value("output's file system") != nil && diagnosis.value("output's free space") != nil)
        #expect(diagnosis.estimate?.samples == 8)
        #expect(try scratch.names == [])
        let table = try await headimpact("doctor", ranks: count)
        #expect(table.standardOutput.contains("ranks                   \(count) on 1 host\n"))
      }
    }

    @Test("under mpirun what is missing is a problem of its host, and nobody waits", arguments: [1, 2])
    func missing(count: Int) async throws {
      try await ScratchFolder.with { scratch in
        let run = try await run(
          [
            "doctor", "--images", scratch.file("no").path, "--output", scratch.file("no/hi.h5").path, "--format",
            "json",
          ], ranks: count)
        #expect(run.exitCode == 1, "\(run.standardError)")
        let problems = try run.json(Diagnosis.self).problems
        #expect(problems.contains { $0.contains("images: ") && $0.contains("No such file") }, "\(problems)")
        #expect(problems.contains { $0.contains("a file can't be created there") }, "\(problems)")
        let model = try await fail(["doctor", "--model", scratch.file("no").path], ranks: count)
        let text = model.standardOutput + model.standardError
        #expect(text.contains(scratch.file("no").path), "\(text)")
      }
    }
  }
}
