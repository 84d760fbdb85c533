internal import CHDF5

/// How a dataset is laid out in the file.
public struct HDF5Storage: Sendable {
  /// Deflate's level, 1 (fast) to 9 (small), after shuffling bytes; nil stores values uncompressed.
  public var compression: Int?
  /// - Shape: of the blocks that are stored and compressed separately; nil chooses about 256 KiB.
  public var chunk: [Int]?

  /// Values uncompressed, in one piece.
  public static let contiguous = HDF5Storage(compression: nil, chunk: nil)
  /// Deflate's level where none is asked for.
  public static let standardLevel = 4
  /// Compressed in chunks.
  public static func compressed(level: Int = standardLevel, chunk: [Int]? = nil) -> HDF5Storage {
    HDF5Storage(compression: level, chunk: chunk)
  }
}

extension HDF5File {
  /// Makes a dataset of numbers to be filled by `writeRows`; 0 if nothing is written.
  ///
  /// - Parameters:
  ///   - dimensions: the name of each axis, which `defineDimension` has made in this group or one above, of the same
  ///     length; nil leaves the axes without names.
  public func createDataset<T: HDF5Element>(
    _ name: String, of type: T.Type, shape: [Int], dimensions: [String]? = nil,
    storage: HDF5Storage = .contiguous
  ) throws {
    try access(name, "create", writing: true) { file, name, place in
      _ = try make(name, T.elementType.stored, MemoryLayout<T>.size, shape, storage, file, place)
      try nameAxes(name, shape, dimensions, file, place)
    }
  }

  /// Writes a whole dataset.
  ///
  /// - Parameter shape: of the values; nil for one axis.
  public func write<T: HDF5Element>(
    _ values: [T], to name: String, shape: [Int]? = nil, dimensions: [String]? = nil,
    storage: HDF5Storage = .contiguous
  ) throws {
    let shape = shape ?? [values.count]
    try access(name, "write", writing: true) { file, name, place in
      try checkCount(values.count, shape, place)
      let dataset = try make(name, T.elementType.stored, MemoryLayout<T>.size, shape, storage, file, place)
      try nameAxes(name, shape, dimensions, file, place)
      let all = chdf5_all()
      try values.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        _ = try place.check(H5Dwrite(dataset, T.elementType.native, all, all, chdf5_default(), start))
      }
    }
  }

  /// Writes a whole dataset of strings: in UTF-8, all as long as the longest, many of them compressed.
  ///
  /// - Throws: `HDF5Error` also for a zero character, which would end its string.
  public func write(
    _ values: [String], to name: String, shape: [Int]? = nil, dimensions: [String]? = nil
  ) throws {
    let shape = shape ?? [values.count]
    try access(name, "write", writing: true) { file, name, place in
      try checkCount(values.count, shape, place)
      // One byte would be a character to netCDF, of which the last axis makes a string.
      let texts = try FixedStrings(values, leastWidth: 2, place)
      // Marked as netCDF marks its text: nothing of a file is loaded by Octave from the first string on that is marked as UTF-8.
      try place.with(chdf5_new_string_type(texts.width, H5T_CSET_ASCII), close: H5Tclose) { type in
        let isMuch = values.count > 1 && values.count > (64 << 10) / texts.width
        let dataset = try make(name, type, texts.width, shape, isMuch ? .compressed() : .contiguous, file, place)
        try nameAxes(name, shape, dimensions, file, place)
        let rowCount = shape.dropFirst().reduce(1, *)
        guard let rows = shape.first, rowCount > 0 else {
          guard !values.isEmpty else { return }
          let all = chdf5_all()
          return try texts.withBytes(of: values) {
            _ = try place.check(H5Dwrite(dataset, type, all, all, chdf5_default(), $0))
          }
        }
        // Many short strings and one long one take no more memory than a few chunks.
        let block = max(1, (4 << 20) / (rowCount * texts.width))
        for first in stride(from: 0, to: rows, by: block) {
          let some = first..<min(first + block, rows)
          try withRows(some, shape, dataset, place) { memory, space in
            try texts.withBytes(of: values[some.lowerBound * rowCount..<some.upperBound * rowCount]) {
              _ = try place.check(H5Dwrite(dataset, type, memory, space, chdf5_default(), $0))
            }
          }
        }
      }
    }
    // What the bytes are; programs that read netCDF decode them by it.
    try setAttribute("_Encoding", "utf-8", of: name)
  }

  /// Writes whole rows of a dataset, a row being all values with the same first index.
  ///
  /// - Parameters:
  ///   - values: - Shape: `[rows, ...]`, as many rows as there are values for.
  ///   - row: the first row's index.
  public func writeRows<T: HDF5Element>(_ values: [T], to name: String, from row: Int) throws {
    try access(name, "write rows", writing: true) { file, name, place in
      let dataset = try dataset(name, file, place)
      let stored = try storedType(dataset, place)
      guard stored.elementType == T.elementType else {
        throw place.error("it holds \(stored.elementType), not \(T.elementType)")
      }
      let shape = try shape(dataset, place)
      guard let rows = shape.first else { throw place.error("a scalar has no rows") }
      let rowCount = shape.dropFirst().reduce(1, *)
      guard rowCount > 0, values.count % rowCount == 0 else {
        throw place.error("\(values.count) values are not whole rows of shape \(shape.dropFirst())")
      }
      let count = values.count / rowCount
      guard row >= 0, row <= rows, count <= rows - row else {
        throw place.error("rows \(row)..<\(row) + \(count) are not in 0..<\(rows)")
      }
      guard count > 0 else { return }
      try withRows(row..<row + count, shape, dataset, place) { memory, space in
        try values.withUnsafeBytes { bytes in
          guard let start = bytes.baseAddress else { return }
          _ = try place.check(H5Dwrite(dataset, T.elementType.native, memory, space, chdf5_default(), start))
        }
      }
    }
  }

  /// Writes whole rows that make one chunk of a dataset, compressed already (`CompressedChunk`).
  ///
  /// - Parameter row: the first row's index, a multiple of the chunk's rows.
  public func writeChunk(_ chunk: CompressedChunk, to name: String, from row: Int) throws {
    try access(name, "write a chunk", writing: true) { file, name, place in
      let dataset = try dataset(name, file, place)
      let shape = try shape(dataset, place)
      guard let rows = shape.first, (0..<rows).contains(row) else {
        throw place.error("row \(row) is not in 0..<\(shape.first ?? 0)")
      }
      let offset = shape.indices.map { hsize_t($0 == 0 ? row : 0) }
      try chunk.bytes.withUnsafeBytes { bytes in
        _ = try place.check(chdf5_write_chunk(dataset, offset, bytes.count, bytes.baseAddress))
      }
    }
  }

  // MARK: -

  private func checkCount(_ count: Int, _ shape: [Int], _ place: Place) throws {
    guard try elementCount(shape, place) == count else {
      throw place.error("\(count) values don't fill the shape \(shape)")
    }
  }

  /// Makes a dataset, which stays open.
  func make(
    _ name: String, _ type: hid_t, _ elementBytes: Int, _ shape: [Int], _ storage: HDF5Storage,
    _ file: hid_t, _ place: Place
  ) throws -> hid_t {
    guard name != "/", try !exists(name, file, place) else {
      throw place.error("there is already an object of this name")
    }
    let count = try elementCount(shape, place)
    try makeGroups(parent(of: name), file, place)
    let handle = try withSpace(shape, place) { space in
      try place.with(chdf5_new_link_creation(), close: H5Pclose) { link in
        try place.with(chdf5_new_dataset_creation(), close: H5Pclose) { creation in
          // Chunks can't be empty, and a scalar has none.
          if storage.compression != nil || storage.chunk != nil, count > 0, !shape.isEmpty {
            let chunk = storage.chunk ?? Self.chunk(shape, elementBytes: elementBytes)
            guard chunk.count == shape.count, zip(chunk, shape).allSatisfy({ $0 > 0 && $0 <= $1 }) else {
              throw place.error("chunks of shape \(chunk) don't fit the shape \(shape)")
            }
            let sizes = chunk.map { hsize_t($0) }
            try place.check(H5Pset_chunk(creation, Int32(sizes.count), sizes))
          }
          if let level = storage.compression, count > 0, !shape.isEmpty {
            guard (1...9).contains(level) else { throw place.error("compression \(level) is not in 1...9") }
            try place.check(H5Pset_shuffle(creation))
            try place.check(H5Pset_deflate(creation, UInt32(level)))
          }
          return try place.check(H5Dcreate2(file, name, type, space, link, creation, chdf5_default()))
        }
      }
    }
    try remember(name, handle)
    return handle
  }

  /// Whole rows, as many as make about 256 KiB: several chunks fit the library's cache of 1 MiB a dataset.
  static func chunk(_ shape: [Int], elementBytes: Int) -> [Int] {
    var chunk = shape
    for axis in chunk.indices {
      let others = chunk.indices.reduce(elementBytes) { $1 == axis ? $0 : $0 * chunk[$1] }
      chunk[axis] = max(1, min(chunk[axis], (256 << 10) / max(1, others)))
      if chunk[axis] > 1 { break }
    }
    return chunk
  }

  /// How many elements a shape has.
  func elementCount(_ shape: [Int], _ place: Place) throws -> Int {
    var count = 1
    for size in shape {
      let product = count.multipliedReportingOverflow(by: size)
      guard size >= 0, !product.overflow, product.partialValue <= Int.max / 16 else {
        throw place.error("the shape \(shape) is impossible")
      }
      count = product.partialValue
    }
    guard shape.count <= 32 else { throw place.error("\(shape.count) axes are more than HDF5's 32") }
    return count
  }

  func withSpace<R>(_ shape: [Int], _ place: Place, _ body: (hid_t) throws -> R) throws -> R {
    let sizes = shape.map { hsize_t($0) }
    let space = shape.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(sizes.count), sizes, nil)
    return try place.with(space, close: H5Sclose, body)
  }

  /// Selects rows: the space of what is in memory, and of what is in the file.
  func withRows(
    _ rows: Range<Int>, _ shape: [Int], _ dataset: hid_t, _ place: Place, _ body: (hid_t, hid_t) throws -> Void
  ) throws {
    let block = [rows.count] + shape.dropFirst()
    try place.with(H5Dget_space(dataset), close: H5Sclose) { space in
      let start = block.indices.map { hsize_t($0 == 0 ? rows.lowerBound : 0) }
      let sizes = block.map { hsize_t($0) }
      try place.check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nil, sizes, nil))
      try withSpace(block, place) { memory in try body(memory, space) }
    }
  }
}
