import Foundation
import Testing

@testable import LowRankAdaptation

@Suite("Learning rate and order of samples")
struct ScheduleTests {
  @Test("rates are transformers' closed forms", arguments: LearningRateSchedule.Shape.allCases)
  func rates(_ shape: LearningRateSchedule.Shape) throws {
    for (warmup, total) in [(0, 1), (0, 10), (3, 10), (10, 10), (7, 1000)] {
      let schedule = try LearningRateSchedule(shape: shape, peak: 2e-4, warmupSteps: warmup, totalSteps: total)
      for step in 0...total {
        let expected: Double
        if step < warmup {
          expected = Double(step) / Double(max(1, warmup))
        } else {
          let progress = Double(step - warmup) / Double(max(1, total - warmup))
          switch shape {
          case .constant: expected = 1
          case .linear: expected = max(0, Double(total - step) / Double(max(1, total - warmup)))
          case .cosine: expected = max(0, 0.5 * (1 + cos(.pi * progress)))
          }
        }
        #expect(abs(schedule.rate(step: step) - 2e-4 * expected) < 1e-19, "\(warmup) \(total) \(step)")
      }
    }
  }

  @Test("numbers out of range are refused")
  func refusals() {
    for (peak, warmup, total) in [(0.0, 0, 1), (.nan, 0, 1), (.infinity, 0, 1), (1, -1, 1), (1, 2, 1), (1, 0, 0)] {
      #expect(throws: LowRankAdaptationError.self) {
        try LearningRateSchedule(peak: peak, warmupSteps: warmup, totalSteps: total)
      }
    }
  }

  @Test("an epoch's order is a permutation that depends on seed and epoch")
  func permutations() {
    let order = SampleOrder.shuffled(seed: 3)
    var seen: Set<[Int]> = []
    for epoch in 0..<5 {
      let permutation = order.permutation(epoch: epoch, count: 50)
      #expect(permutation.sorted() == Array(0..<50))
      #expect(permutation == SampleOrder.shuffled(seed: 3).permutation(epoch: epoch, count: 50))
      seen.insert(permutation)
      seen.insert(SampleOrder.shuffled(seed: 4).permutation(epoch: epoch, count: 50))
    }
    #expect(seen.count == 10)
    // Written down: a later version must not walk in another order, or a resumed run would.
    #expect(order.permutation(epoch: 0, count: 8) == [1, 2, 5, 0, 6, 7, 4, 3])
    #expect(order.permutation(epoch: 2, count: 1) == [0])
    // Each sample comes first about as often.
    let firsts = (0..<6000).map { order.permutation(epoch: $0, count: 6)[0] }
    #expect((0..<6).allSatisfy { sample in (850...1150).contains(firsts.count { $0 == sample }) })
  }

  @Test("batches run across the ends of epochs, up to the limit", arguments: [SampleOrder.none, .shuffled(seed: 1)])
  func batches(_ order: SampleOrder) {
    let (batch, count, total) = (4, 7, 30)
    let walked = (0..<10).flatMap { order.indices(forStep: $0, batch: batch, count: count, totalSamples: total) }
    let epochs = (0..<5).flatMap { order.permutation(epoch: $0, count: count) }
    #expect(walked == Array(epochs.prefix(total)))
    #expect(order.indices(forStep: 7, batch: batch, count: count, totalSamples: total).count == 2)
    #expect(order.indices(forStep: 9, batch: 4, count: 7, totalSamples: total).isEmpty)
    // A batch larger than the dataset takes some twice.
    #expect(order.indices(forStep: 0, batch: 16, count: 7) == Array(epochs.prefix(16)))
    if order == .none { #expect(order.indices(forStep: 1, batch: 4, count: 7) == [4, 5, 6, 0]) }
  }
}
