import Foundation
import IO
import ImageInput

/// What a family does to an image before its vision tower: resizing, cutting into views and patches, normalising.
public protocol ImageProcessor: Sendable {
  /// What an image of this size becomes, in pixels.
  ///
  /// - Throws: `ImageError` if the family can't take such an image.
  func layout(width: Int, height: Int) throws -> VisualLayout

  /// The image's patches. Needs no model, and so may run on another thread.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func callAsFunction(_ image: RGBImage) throws -> PatchBatch

  /// The kinds of views that an image may be shown in.
  var viewKinds: Set<VisualLayout.View.Kind> { get }

  /// An image that is cut out for this model should have no shorter side. - Units: pixels.
  var leastSide: Int { get }
}

/// A family's image processor, and the file that says how it works.
struct ProcessorInFolder<Processor: ImageProcessor & Equatable> {
  let processor: Processor
  let path: String
  /// What the user should know of the files.
  let remarks: [String]

  /// Reads a model folder's image processor as transformers 5 does: `image_processor` of processor_config.json, where
  /// it has that, else preprocessor_config.json.
  ///
  /// - Parameter parse: reads the family's keys.
  /// - Throws: `ConfigurationError` naming the file and the key; `EnvironmentFault`.
  init(_ folder: URL, parse: (ConfigurationFile) throws -> Processor) throws {
    let nested = folder.appendingPathComponent("processor_config.json")
    let own = folder.appendingPathComponent("preprocessor_config.json")
    let hasOwn = ModelFile.isThere(own)
    let inner =
      ModelFile.isThere(nested) ? try ConfigurationFile(contentsOf: nested).object("image_processor") : nil
    guard let inner else {
      guard hasOwn else {
        throw ConfigurationError(
          path: own.path, key: "",
          reason: "there is no such file, nor a processor_config.json that has image_processor")
      }
      (processor, path, remarks) = (try parse(ConfigurationFile(contentsOf: own)), own.path, [])
      return
    }
    (processor, path) = (try parse(inner), nested.path)
    var isSame = !hasOwn
    if hasOwn {
      do { isSame = try parse(ConfigurationFile(contentsOf: own)) == processor } catch is ConfigurationError {}
    }
    remarks =
      isSame
      ? []
      : [
        "\(own.path) is not used: \(nested.lastPathComponent) has other values under image_processor, and they count, as in "
          + "transformers 5"
      ]
  }
}

extension ConfigurationFile {
  /// The filter of an image processor's resize (`resample`).
  ///
  /// - Throws: `ConfigurationError` for one that isn't known.
  func filter(default fallback: ResamplingFilter) throws -> ResamplingFilter {
    let resample = try integer("resample", in: 0...5, default: fallback.rawValue)
    guard let filter = ResamplingFilter(rawValue: resample) else {
      throw wrong("resample", "is \(resample); it must be 0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)")
    }
    return filter
  }

  /// A processor's own count of a view's tokens, which transformers writes into the text: another than the model's can't
  /// work there.
  ///
  /// - Throws: `ConfigurationError` if the folder's processor_config.json has another at `key`.
  static func checkSequenceLength(_ folder: URL, _ key: String, is tokens: Int) throws {
    let url = folder.appendingPathComponent("processor_config.json")
    guard FileManager.default.fileExists(atPath: url.path) else { return }
    let file = try ConfigurationFile(contentsOf: url)
    let given = try file.integer(key, in: 1...1_000_000, default: tokens)
    guard given == tokens else {
      throw file.wrong(key, "is \(given); the model has \(tokens) visual tokens for a view (config.json)")
    }
  }
}
