import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

@Suite("Prepared images")
struct PreparedImageTests {
  @Test("an image that was given to the processor before gives the same features", arguments: TinyCase.all)
  func same(tiny: TinyCase) throws {
    let model = try ModelRegistry.load(
      folder: tiny.model, input: InputOptions(), backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
    let pixels = (0..<70 * 41 * 3).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }
    let image = RGBImage(width: 70, height: 41, pixels: pixels)
    let (backend, processor) = (model.backend, model.processor)
    let features = backend.read(try model.encode(image, taps: Taps()).values)
    let prepared = PreparedImage(image, patches: Result { try processor.callAsFunction(image) })
    #expect(backend.read(try model.encode(prepared, taps: Taps()).values) == features)
    // What the processor threw is thrown here, as if it ran here.
    let failed = PreparedImage(image, patches: .failure(ImageError(problem: "is too long")))
    #expect(throws: ImageError(problem: "is too long")) { try model.encode(failed, taps: Taps()) }
  }
}
