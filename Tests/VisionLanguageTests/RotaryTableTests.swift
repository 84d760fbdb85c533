import Foundation
import Kernels
import Testing

@testable import VisionLanguage

@Suite("Tables of rotary angles")
struct RotaryTableTests {
  @Test("sections stand together, or take turns up to their ends")
  func sections() {
    #expect(RotarySections.contiguous([2, 3, 1]).axes == [0, 0, 1, 1, 1, 2])
    // Qwen3-VL's [24, 20, 20] in small: T H W T H W T H, then T alone.
    #expect(RotarySections.interleaved([6, 3, 2]).axes == [0, 1, 2, 0, 1, 2, 0, 1, 0, 0, 0])
    let published = RotarySections.interleaved([24, 20, 20]).axes
    #expect((0..<3).map { axis in published.filter { $0 == axis }.count } == [24, 20, 20])
  }

  @Test("every frequency turns with its own position")
  func multimodal() {
    let positions: [[Int32]] = [[0, 1, 2], [0, 4, 5], [0, 7, 9]]
    let angles = RotaryAngles.multimodal(positions, .interleaved([2, 1, 1]), theta: 100)
    let axes = [0, 1, 2, 0]
    for row in 0..<3 {
      for i in 0..<4 {
        let angle = Double(positions[axes[i]][row]) / pow(100, Double(2 * i) / 8)
        #expect(abs(Double(angles.cosines[row * 4 + i]) - cos(angle)) < 1e-6)
        #expect(abs(Double(angles.sines[row * 4 + i]) - sin(angle)) < 1e-6)
      }
    }
  }

  @Test("linear scaling divides every frequency")
  func scaled() {
    let plain = RotaryAngles.sequential(0..<3, headDim: 8, theta: 1e4)
    let scaled = RotaryAngles.sequential(0..<17, headDim: 8, theta: 1e4, factor: 8)
    #expect(scaled.rows([0, 8, 16]).cosines == plain.cosines)
  }

  @Test("patches turn with their row in the first half, with their column in the second")
  func grid() {
    let angles = RotaryAngles.grid([(0, 0), (3, 5)], headDim: 8, theta: 1e4)
    #expect(angles.half == 4 && angles.cosines.prefix(4).allSatisfy { $0 == 1 })
    for (i, angle) in [3, 0.03, 5, 0.05].enumerated() {
      #expect(abs(Double(angles.sines[4 + i]) - sin(angle)) < 1e-6)
    }
  }
}
