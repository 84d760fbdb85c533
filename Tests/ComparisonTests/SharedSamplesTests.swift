import TestSupport
import Testing

@testable import Comparison

@Suite("Which samples are compared")
struct SharedSamplesTests {
  @Test("runs over one dataset are compared on the samples that all of them have, by image")
  func shared() throws {
    let shared = try SharedSamples([
      SmallRuns.run("a", samples: [(1, 9), (2, 8), (3, 8)]), SmallRuns.run("b", samples: [(1, 9), (3, 8), (4, 7)]),
    ])
    #expect(shared.groups == [0, 0])
    #expect(shared.samples(of: 1).map(\.id) == [3, 1])
    #expect(shared.isPaired(0, 1) && shared.images(of: 0) == 2)
  }

  @Test("runs over different datasets, or of which one doesn't say, are independent")
  func independent() throws {
    let samples = [(1, 1), (2, 2)]
    let shared = try SharedSamples([
      SmallRuns.run("a", samples: samples), SmallRuns.run("b", samples: samples, dataset: "e"),
      SmallRuns.run("c", samples: samples), SmallRuns.run("d", samples: samples, dataset: nil),
      SmallRuns.run("e", samples: samples, dataset: nil),
    ])
    #expect(shared.groups == [0, 1, 0, 2, 3])
  }

  @Test("runs over other parts of one dataset are independent")
  func otherParts() throws {
    let shared = try SharedSamples([
      SmallRuns.run("a", samples: [(1, 1)]), SmallRuns.run("b", samples: [(2, 2), (5, 1)]),
    ])
    #expect(shared.groups == [0, 1])
    #expect(shared.samples(of: 1).map(\.id) == [5, 2])
  }

  @Test("one run, a run without samples, and a sample in two images are refused by name")
  func refusals() {
    #expect(failure { try SharedSamples([SmallRuns.run("a", samples: [(1, 1)])]) }?.contains("at least two") == true)
    #expect(
      failure { try SharedSamples([SmallRuns.run("a", samples: [(1, 1)]), SmallRuns.run("b", samples: [])]) }
        == "b: has no sample to compare")
    let moved = failure {
      try SharedSamples([SmallRuns.run("a", samples: [(1, 1)]), SmallRuns.run("b", samples: [(1, 2)])])
    }
    #expect(moved?.hasPrefix("b: sample 1 is of image 2, but in a of image 1") == true)
  }

  @Test("files are named by as much of their paths as tells them apart")
  func names() throws {
    #expect(try distinctNames(["/x/a/hi.h5", "/x/b/hi.h5"]) == ["a/hi", "b/hi"])
    #expect(try distinctNames(["/x/text.h5", "/x/question.h5"]) == ["text", "question"])
    #expect(try distinctNames(["/x/a.h5", "/x/a.hdf5"]) == ["/x/a.h5", "/x/a.hdf5"])
    #expect(try distinctNames(["/x/.h5", "/x/a"]) == [".h5", "a"])
    #expect(failure { try distinctNames(["/x/a.h5", "/x/a.h5"]) }?.contains("named twice") == true)
  }
}
