import HeadImpact

/// The views of all samples one after another, as hi.h5 holds them.
struct ViewColumns {
  private var samples: [Int64] = []
  private var views: [ImageView] = []
  private var offsets: [Int64] = []
  /// Visual tokens of all samples so far.
  private var tokens: Int64 = 0

  mutating func append(_ views: [ImageView], of sample: Int, visualTokens: Int) {
    var offset = tokens
    for view in views {
      samples.append(Int64(sample))
      self.views.append(view)
      offsets.append(offset)
      offset += Int64(view.tokens)
    }
    tokens += Int64(visualTokens)
  }

  private static let corners = ["x0", "y0", "x1", "y1"]
  /// What a rectangle's edges can be; one may lie outside its image. - Units: pixels.
  private static let edges = -1e9...1e9

  func write(to file: HDF5File) throws {
    guard !views.isEmpty else { return }
    try file.defineDimension("view", values: (0..<Int32(views.count)).map { $0 })
    try HeadImpactFile.describe(file, "view", "what the model is shown of the samples' images, from 0", units: "1")
    try file.defineDimension("corner", values: Self.corners)
    try HeadImpactFile.describe(file, "corner", "edges of a rectangle: left, top, right, bottom", units: "1")
    func write<T: HDF5Element>(_ values: [T], _ name: String, _ meaning: String) throws {
      try file.write(values, to: name, dimensions: ["view"])
      try HeadImpactFile.describe(file, name, meaning, units: "1")
    }
    try write(samples, "view_sample", "annotation id of the view's sample")
    try file.write(views.map(\.kind.rawValue), to: "view_kind", dimensions: ["view"])
    try HeadImpactFile.describe(file, "view_kind", "tile: a part of the image; global: the whole image", units: "1")
    try write(views.map { Int32($0.grid.rows) }, "view_rows", "rows of the view's grid of visual tokens")
    try write(views.map { Int32($0.grid.cols) }, "view_columns", "columns of the view's grid of visual tokens")
    try write(offsets, "view_offset", "where the view's tokens begin among the visual tokens of all samples")
    try file.write(
      views.flatMap { [$0.box.x0, $0.box.y0, $0.box.x1, $0.box.y1] }, to: "view_box",
      shape: [views.count, Self.corners.count], dimensions: ["view", "corner"])
    try HeadImpactFile.describe(
      file, "view_box", "the rectangle of the image that the view's grid lies on", units: "pixel")
  }

  /// Each sample's views; none where a file of an older version doesn't say.
  ///
  /// - Throws: `HDF5Error`, or `HeadImpactError` where views and visual tokens disagree.
  static func read(_ file: HDF5File, visualTokens: [(sample: Int, count: Int)]) throws -> [Int: [ImageView]] {
    guard try file.exists("view_sample") else { return [:] }
    let samples = try file.read("view_sample", as: Int64.self).values
    let count = samples.count
    let kinds = try file.readStrings("view_kind").values
    let rows = try file.read("view_rows", as: Int64.self, shape: [count]).values
    let columns = try file.read("view_columns", as: Int64.self, shape: [count]).values
    let boxes = try file.read("view_box", as: Double.self, shape: [count, corners.count]).values
    func wrong(_ what: String) -> HeadImpactError { HeadImpactError("\(file.path): \(what)") }
    guard kinds.count == count else { throw wrong("/view_kind has \(kinds.count) values, /view_sample \(count)") }
    var views: [Int: [ImageView]] = [:]
    for index in 0..<count {
      let box = boxes[index * corners.count..<(index + 1) * corners.count].map { $0 }
      let sides: ClosedRange<Int64> = 1...65_536
      guard let kind = ImageView.Kind(rawValue: kinds[index]), sides.contains(rows[index]),
        sides.contains(columns[index]), box.allSatisfy(edges.contains)
      else {
        throw wrong(
          "view \(index) is \"\(kinds[index])\" of \(rows[index]) x \(columns[index]) tokens on \(box); it must be one of "
            + "\(ImageView.Kind.allCases.map(\.rawValue).joined(separator: ", ")), with a grid and a rectangle")
      }
      views[Int(samples[index]), default: []].append(
        ImageView(
          kind: kind, grid: ViewGrid(rows: Int(rows[index]), cols: Int(columns[index])),
          box: Cell(x0: box[0], y0: box[1], x1: box[2], y1: box[3])))
    }
    for (sample, tokens) in visualTokens {
      let held = (views[sample] ?? []).reduce(0) { $0 + $1.tokens }
      guard held == tokens else {
        throw wrong("the views of sample \(sample) hold \(held) tokens; /visual_tokens has \(tokens)")
      }
    }
    return views
  }
}
