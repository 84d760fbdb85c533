import HeadImpact

extension HeadImpactReader {
  static func samples(_ file: HDF5File, count: Int, version: Int) throws -> [Sample] {
    func integers(_ name: String) throws -> [Int] {
      try file.read(name, as: Int64.self, shape: [count]).values.map { Int($0) }
    }
    let ids = try integers("sample")
    let images = try integers("image_id")
    let categories = try integers("category_id")
    let sequence = try integers("sequence_tokens")
    let visual = try integers("visual_tokens")
    let caption = try integers("caption_tokens")
    let mask = try integers("mask_tokens")
    guard visual.allSatisfy((0...Int(Int32.max)).contains) else {
      throw HeadImpactError("\(file.path): /visual_tokens holds what is no number of tokens")
    }
    let views = try ViewColumns.read(file, visualTokens: zip(ids, visual).map { ($0, $1) })
    let sources = try version > 1 ? sources(file, count: count) : nil
    var firstToken = 0
    return (0..<count).map { i in
      defer { firstToken += visual[i] }
      return Sample(
        id: ids[i], imageID: images[i], categoryID: categories[i],
        tokens: SampleImpact.TokenCounts(sequence: sequence[i], visual: visual[i], caption: caption[i], mask: mask[i]),
        views: views[ids[i]] ?? [], source: sources?[i], firstToken: firstToken)
    }
  }

  private static func sources(_ file: HDF5File, count: Int) throws -> [HeadImpactFile.Source] {
    func sides(_ name: String) throws -> [Int] {
      let values = try file.read(name, as: Int32.self, shape: [count]).values
      guard values.allSatisfy({ $0 > 0 }) else {
        throw HeadImpactError("\(file.path): /\(name) holds what is no number of pixels")
      }
      return values.map { Int($0) }
    }
    let descriptions = try strings("description", count, file)
    let fileNames = try strings("file_name", count, file)
    let (widths, heights) = (try sides("image_width"), try sides("image_height"))
    return (0..<count).map {
      HeadImpactFile.Source(
        description: descriptions[$0], fileName: fileNames[$0], width: widths[$0], height: heights[$0])
    }
  }

  static func categories(_ file: HDF5File) throws -> [HeadImpactFile.Category] {
    let ids = try file.read("category", as: Int64.self).values
    return zip(ids, try strings("category_name", ids.count, file)).map {
      HeadImpactFile.Category(id: Int($0), name: $1)
    }
  }

  static func skipped(_ file: HDF5File) throws -> [Skipped] {
    let ids = try file.read("/skipped/id", as: Int64.self).values
    let reasons = try strings("/skipped/reason", ids.count, file)
    let kinds =
      try file.exists("/skipped/kind")
      ? strings("/skipped/kind", ids.count, file) : [String](repeating: "", count: ids.count)
    return ids.indices.map { Skipped(id: Int(ids[$0]), kind: kinds[$0], reason: reasons[$0]) }
  }

  private static func strings(_ name: String, _ count: Int, _ file: HDF5File) throws -> [String] {
    let strings = try file.readStrings(name)
    guard strings.shape == [count] else {
      throw HeadImpactError("\(file.path): \(name) has the shape \(strings.shape), not [\(count)]")
    }
    return strings.values
  }
}
