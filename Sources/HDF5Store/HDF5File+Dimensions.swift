internal import CHDF5

/// Named axes, by HDF5's dimension scales: what netCDF-4 and xarray call dimensions.
extension HDF5File {
  /// Makes a dimension whose coordinates are numbers: a dataset with one axis, which has the dimension's name.
  public func defineDimension<T: HDF5Element>(_ name: String, values: [T]) throws {
    try write(values, to: name)
    try makeScale(name)
  }

  /// Makes a dimension whose coordinates are strings.
  public func defineDimension(_ name: String, values: [String]) throws {
    try write(values, to: name)
    try makeScale(name)
  }

  /// Makes a dimension that has a length but no coordinates.
  public func defineDimension(_ name: String, length: Int) throws {
    try createDataset(name, of: Float.self, shape: [length])
    // netCDF's own words, by which readers know that this dataset is not a variable.
    let number = String(length)
    let padded = String(repeating: " ", count: max(0, 10 - number.count)) + number
    try makeScale(name, label: "This is a netCDF dimension but not a netCDF variable.\(padded)")
  }

  /// The names of a dataset's axes; nil for an axis without one. A dimension's axis has its own name.
  public func dimensions(of name: String) throws -> [String?] {
    try access(name, "read dimensions", writing: false) { file, name, place in
      let dataset = try dataset(name, file, place)
      let axes = try shape(dataset, place).count
      if try axes == 1 && place.check(H5DSis_scale(dataset)) > 0 { return [last(of: name)] }
      return try (0..<axes).map { axis in
        var text = [CChar](repeating: 0, count: 1024)
        guard try place.check(chdf5_scale_name(dataset, UInt32(axis), &text, text.count)) > 0 else { return nil }
        return last(of: String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
      }
    }
  }

  private func makeScale(_ name: String, label: String? = nil) throws {
    try access(name, "make a dimension scale of", writing: true) { file, name, place in
      _ = try place.check(H5DSset_scale(try dataset(name, file, place), label ?? last(of: name)))
    }
  }

  /// A name without its groups.
  private func last(of name: String) -> String { name.split(separator: "/").last.map(String.init) ?? name }

  /// Ties the axes of a new dataset to dimensions. Without labels, which the library would make strings of any length.
  func nameAxes(
    _ name: String, _ shape: [Int], _ dimensions: [String]?, _ file: hid_t, _ place: Place
  ) throws {
    guard let dimensions else { return }
    guard dimensions.count == shape.count else {
      throw place.error("\(dimensions.count) dimensions for the shape \(shape)")
    }
    for (axis, dimension) in dimensions.enumerated() {
      guard let found = try find(dimension, near: name, file, place) else {
        throw place.error("there is no dimension \(dimension) in its group or those above")
      }
      let scale = try dataset(found, file, place)
      guard try place.check(H5DSis_scale(scale)) > 0 else { throw place.error("\(found) is not a dimension") }
      let length = try self.shape(scale, place)
      guard length == [shape[axis]] else {
        throw place.error(
          "axis \(axis) has length \(shape[axis]), but the dimension \(found) has \(length.map(String.init).joined(separator: ", "))"
        )
      }
      let dataset = try dataset(name, file, place)
      try place.check(H5DSattach_scale(dataset, scale, UInt32(axis)))
    }
  }

  /// Looks for a dimension as netCDF does: in the group of the dataset, then in those above.
  private func find(_ dimension: String, near name: String, _ file: hid_t, _ place: Place) throws -> String? {
    if dimension.hasPrefix("/") { return try exists(dimension, file, place) ? dimension : nil }
    var group = parent(of: name)
    while true {
      let candidate = group == "/" ? "/\(dimension)" : "\(group)/\(dimension)"
      if candidate != name, try exists(candidate, file, place) { return candidate }
      if group == "/" { return nil }
      group = parent(of: group)
    }
  }
}
