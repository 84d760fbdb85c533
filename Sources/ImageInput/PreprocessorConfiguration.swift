import Foundation

extension PatchImageProcessor {
  /// Reads a model's `preprocessor_config.json`. What it leaves out is the processor's default, as in transformers.
  ///
  /// - Throws: `ImageError` naming the file, and the key whose value is of the wrong type, impossible or unsupported.
  public init(contentsOf url: URL) throws {
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw ImageError(file: url.path, problem: "can't be read: \(error.localizedDescription)")
    }
    try self.init(json: data, name: url.path)
  }

  /// - Parameter name: what errors call the file.
  public init(json: Data, name: String) throws {
    do {
      let file = try JSONDecoder().decode(PreprocessorConfiguration.self, from: json)
      let standard = try PatchImageProcessor()
      if let resample = file.resample, resample != 3 {
        throw ImageError(problem: "resample is \(resample): only 3 (bicubic) is supported")
      }
      if let size = file.size {
        for (key, value) in [("shortest_edge", size.shortest_edge), ("longest_edge", size.longest_edge)] {
          let override = key == "shortest_edge" ? file.min_pixels : file.max_pixels
          guard value != nil || override != nil else { throw ImageError(problem: "size.\(key) is missing") }
        }
      }
      try self.init(
        minPixels: file.min_pixels ?? file.size?.shortest_edge ?? standard.minPixels,
        maxPixels: file.max_pixels ?? file.size?.longest_edge ?? standard.maxPixels,
        patchSize: file.patch_size ?? standard.patchSize,
        temporalPatchSize: file.temporal_patch_size ?? standard.temporalPatchSize,
        mergeSize: file.merge_size ?? standard.mergeSize,
        imageMean: file.image_mean?.values ?? standard.imageMean,
        imageStd: file.image_std?.values ?? standard.imageStd,
        rescaleFactor: file.rescale_factor ?? standard.rescaleFactor,
        doResize: file.do_resize ?? true, doRescale: file.do_rescale ?? true,
        doNormalize: file.do_normalize ?? true)
    } catch let error as ImageError {
      throw error.inFile(name)
    } catch let error as DecodingError {
      throw ImageError(file: name, problem: Self.sentence(error))
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

/// The keys of `preprocessor_config.json` that change a number. Pictures come as RGB, so `do_convert_rgb` does not;
/// its type is checked all the same.
private struct PreprocessorConfiguration: Decodable {
  struct Size: Decodable {
    let shortest_edge: Int?
    let longest_edge: Int?
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
}
