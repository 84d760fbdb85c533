import IO
import Foundation

extension PatchImageProcessor {
  /// A model folder's processor, the file that it was read from, and what the user should know of the files.
  public struct InFolder: Sendable {
    public let processor: PatchImageProcessor
    public let file: URL
    public let remarks: [String]
  }

  /// Larger than any published one; a lying or endless file stops here.
  private static let maximumFileSize = 16 << 20

  /// Reads a model folder's image processor as transformers 5 does: `image_processor` of processor_config.json, where it has
  /// that, else preprocessor_config.json.
  ///
  /// - Throws: `ImageError` naming the file and the key; `EnvironmentFault`.
  public static func read(folder: URL) throws -> InFolder {
    let nested = folder.appendingPathComponent("processor_config.json")
    let own = folder.appendingPathComponent("preprocessor_config.json")
    if ModelFile.isThere(nested), let processor = try nestedProcessor(nested) {
      guard ModelFile.isThere(own) else { return InFolder(processor: processor, file: nested, remarks: []) }
      var isSame = false
      do { isSame = try PatchImageProcessor(contentsOf: own) == processor } catch is ImageError {}
      let remark =
        "\(own.path) is not used: \(nested.lastPathComponent) has other values under image_processor, and they count, as in "
        + "transformers 5"
      return InFolder(processor: processor, file: nested, remarks: isSame ? [] : [remark])
    }
    guard ModelFile.isThere(own) else {
      throw ImageError(
        file: own.path, problem: "there is no such file, nor a processor_config.json that has image_processor")
    }
    return InFolder(processor: try PatchImageProcessor(contentsOf: own), file: own, remarks: [])
  }

  /// Reads a model's `preprocessor_config.json`. What it leaves out is the processor's default, as in transformers.
  ///
  /// - Throws: `ImageError` naming the file, and the key whose value is of the wrong type, impossible or unsupported.
  public init(contentsOf url: URL) throws {
    try self.init(json: try Self.bytes(url), name: url.path)
  }

  /// - Parameter name: what errors call the file.
  public init(json: Data, name: String) throws {
    self = try Self.naming(name) {
      try PatchImageProcessor(JSONDecoder().decode(PreprocessorConfiguration.self, from: json))
    }
  }

  private static func nestedProcessor(_ url: URL) throws -> PatchImageProcessor? {
    let json = try bytes(url)
    return try naming(url.path) {
      try JSONDecoder().decode(ProcessorConfiguration.self, from: json).image_processor.map {
        try PatchImageProcessor($0)
      }
    }
  }

  private static func bytes(_ url: URL) throws -> Data {
    do {
      return Data(try ModelFile.text(url, upTo: maximumFileSize))
    } catch let error as UnusableFile {
      throw ImageError(file: error.path, problem: error.reason)
    }
  }

  private init(_ file: PreprocessorConfiguration) throws {
    let standard = try PatchImageProcessor()
    try Self.check(file)
    try self.init(
      minPixels: file.min_pixels ?? file.size?.limit(\.shortest_edge, \.min_pixels, "shortest_edge", "min_pixels")
        ?? standard.minPixels,
      maxPixels: file.max_pixels ?? file.size?.limit(\.longest_edge, \.max_pixels, "longest_edge", "max_pixels")
        ?? standard.maxPixels,
      patchSize: file.patch_size ?? standard.patchSize,
      temporalPatchSize: file.temporal_patch_size ?? standard.temporalPatchSize,
      mergeSize: file.merge_size ?? standard.mergeSize,
      imageMean: file.image_mean?.values ?? standard.imageMean,
      imageStd: file.image_std?.values ?? standard.imageStd,
      rescaleFactor: file.rescale_factor ?? standard.rescaleFactor,
      doResize: file.do_resize ?? true, doRescale: file.do_rescale ?? true,
      doNormalize: file.do_normalize ?? true)
  }

  private static let types = ["Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast", "Qwen2VLImageProcessorPil"]

  /// Refuses what decides pixels and isn't done.
  private static func check(_ file: PreprocessorConfiguration) throws {
    if let resample = file.resample, resample != 3 {
      throw ImageError(problem: "resample is \(resample): only 3 (bicubic) is supported")
    }
    if let type = file.image_processor_type, !types.contains(type) {
      throw ImageError(problem: "image_processor_type is \(type): only \(types[0]) is supported")
    }
    if file.image_processor_type == nil, let type = file.feature_extractor_type, type != "Qwen2VLFeatureExtractor" {
      throw ImageError(problem: "feature_extractor_type is \(type): only Qwen2VLImageProcessor is supported")
    }
  }

  private static func naming<R>(_ name: String, _ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch let error as ImageError {
      throw error.inFile(name)
    } catch let error as DecodingError {
      throw ImageError(file: name, problem: sentence(error))
    }
  }

  private static func sentence(_ error: DecodingError) -> String {
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
      .dataCorrupted(let context):
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return path.isEmpty ? "not a JSON object: \(context.debugDescription)" : "\(path): \(context.debugDescription)"
    @unknown default: return "\(error)"
    }
  }
}

/// `processor_config.json`. Its video processor is for videos alone.
private struct ProcessorConfiguration: Decodable {
  let image_processor: PreprocessorConfiguration?
}

/// The keys of `preprocessor_config.json` that change a number. Pictures come as RGB, so `do_convert_rgb` does not; `do_center_crop` and
/// `do_pad` do nothing in this processor.
private struct PreprocessorConfiguration: Decodable {
  struct Size: Decodable {
    let shortest_edge: Int?
    let longest_edge: Int?
    // As older versions wrote them.
    let min_pixels: Int?
    let max_pixels: Int?

    func limit(
      _ edge: KeyPath<Size, Int?>, _ pixels: KeyPath<Size, Int?>, _ edgeName: String, _ pixelsName: String
    ) throws -> Int {
      switch (self[keyPath: edge], self[keyPath: pixels]) {
      case (let value?, nil), (nil, let value?): return value
      case (nil, nil): throw ImageError(problem: "size.\(edgeName) is missing (and size.\(pixelsName))")
      case (let one?, let other?):
        throw ImageError(
          problem: "size has both \(edgeName), \(one), and \(pixelsName), \(other): one of them is needed")
      }
    }
  }

  /// A number for each channel, or one for all.
  struct Channels: Decodable {
    let values: [Double]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      do {
        values = [Double](repeating: try container.decode(Double.self), count: 3)
      } catch DecodingError.typeMismatch {
        values = try container.decode([Double].self)
      }
    }
  }

  let min_pixels: Int?
  let max_pixels: Int?
  let size: Size?
  let patch_size: Int?
  let temporal_patch_size: Int?
  let merge_size: Int?
  let image_mean: Channels?
  let image_std: Channels?
  let rescale_factor: Double?
  let do_resize: Bool?
  let do_rescale: Bool?
  let do_normalize: Bool?
  let do_convert_rgb: Bool?
  let resample: Int?
  let image_processor_type: String?
  let feature_extractor_type: String?

  private enum CodingKeys: String, CodingKey {
    case min_pixels, max_pixels, size, patch_size, temporal_patch_size, merge_size, image_mean, image_std,
      rescale_factor
    case do_resize, do_rescale, do_normalize, do_convert_rgb, resample, image_processor_type, feature_extractor_type
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func value<T: Decodable>(_ key: CodingKeys) throws -> T? { try container.decodeIfPresent(T.self, forKey: key) }
    /// transformers takes null for these as it stands: no resizing, another filter, or an error.
    func given<T: Decodable>(_ key: CodingKeys) throws -> T? {
      guard container.contains(key) else { return nil }
      guard try !container.decodeNil(forKey: key) else {
        throw ImageError(problem: "\(key.rawValue) is null: give a value, or leave the key out for the default")
      }
      return try container.decode(T.self, forKey: key)
    }
    (min_pixels, max_pixels, size) = (try value(.min_pixels), try value(.max_pixels), try value(.size))
    (patch_size, temporal_patch_size) = (try given(.patch_size), try given(.temporal_patch_size))
    (merge_size, rescale_factor) = (try given(.merge_size), try given(.rescale_factor))
    (image_mean, image_std, resample) = (try given(.image_mean), try given(.image_std), try given(.resample))
    (do_resize, do_rescale, do_normalize) = (try given(.do_resize), try given(.do_rescale), try given(.do_normalize))
    do_convert_rgb = try value(.do_convert_rgb)
    (image_processor_type, feature_extractor_type) = (
      try value(.image_processor_type), try value(.feature_extractor_type)
    )
  }
}
