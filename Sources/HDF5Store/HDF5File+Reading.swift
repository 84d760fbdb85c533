internal import CHDF5

extension HDF5File {
  /// The shape of a dataset; empty for a scalar.
  public func shape(of name: String) throws -> [Int] {
    try access(name, "inspect", writing: false) { file, name, place in
      try shape(try dataset(name, file, place), place)
    }
  }

  /// What the elements of a dataset are.
  public func elementType(of name: String) throws -> HDF5ElementType {
    try access(name, "inspect", writing: false) { file, name, place in
      try storedType(try dataset(name, file, place), place).elementType
    }
  }

  /// Reads a whole dataset of numbers.
  ///
  /// - Parameter shape: what the shape must be, nil in the place of any length; nil for any shape.
  /// - Throws: `HDF5Error` if there is no such dataset, where `T` can't hold every value of its type, where the shape
  ///   is another, and where the file is damaged.
  public func read<T: HDF5Element>(_ name: String, as type: T.Type, shape expected: [Int?]? = nil) throws -> HDF5Array<
    T
  > {
    try access(name, "read", writing: false) { file, name, place in
      let dataset = try dataset(name, file, place)
      let shape = try checkReadable(dataset, type, place)
      try check(shape, expected, place)
      let count = try plausibleCount(shape, MemoryLayout<T>.stride, dataset, place)
      let all = chdf5_all()
      let values = try fill(T.self, count) {
        _ = try place.check(H5Dread(dataset, T.elementType.native, all, all, chdf5_default(), $0))
      }
      return HDF5Array(shape: shape, values: values)
    }
  }

  /// Reads whole rows of a dataset, a row being all values with the same first index.
  public func readRows<T: HDF5Element>(_ rows: Range<Int>, of name: String, as type: T.Type) throws -> HDF5Array<T> {
    try access(name, "read rows", writing: false) { file, name, place in
      let dataset = try dataset(name, file, place)
      let shape = try checkReadable(dataset, type, place)
      guard let all = shape.first else { throw place.error("a scalar has no rows") }
      guard rows.lowerBound >= 0, rows.upperBound <= all else {
        throw place.error("rows \(rows) are not in 0..<\(all)")
      }
      let block = [rows.count] + shape.dropFirst()
      let count = try plausibleCount(block, MemoryLayout<T>.stride, dataset, place)
      let values = try fill(T.self, count) { start in
        try withRows(rows, shape, dataset, place) { memory, space in
          _ = try place.check(H5Dread(dataset, T.elementType.native, memory, space, chdf5_default(), start))
        }
      }
      return HDF5Array(shape: block, values: values)
    }
  }

  /// Reads a whole dataset of strings, of fixed or of any length.
  public func readStrings(_ name: String) throws -> HDF5Array<String> {
    try access(name, "read", writing: false) { file, name, place in
      let dataset = try dataset(name, file, place)
      let shape = try shape(dataset, place)
      let values = try place.with(H5Dget_type(dataset), close: H5Tclose) { type in
        let stored = try StoredType(type, place)
        guard stored.elementType == .string else { throw place.error("it holds \(stored.elementType), not string") }
        let count = try plausibleCount(shape, stored.byteCount, dataset, place)
        return try strings(type, stored, count, place) { memory, start in
          H5Dread(dataset, memory, chdf5_all(), chdf5_all(), chdf5_default(), start)
        } space: {
          H5Dget_space(dataset)
        }
      }
      return HDF5Array(shape: shape, values: values)
    }
  }

  // MARK: -

  func shape(_ dataset: hid_t, _ place: Place) throws -> [Int] {
    try place.with(H5Dget_space(dataset), close: H5Sclose) { try shape(ofSpace: $0, place) }
  }

  func shape(ofSpace space: hid_t, _ place: Place) throws -> [Int] {
    let axes = try place.check(H5Sget_simple_extent_ndims(space))
    // A null space holds nothing at all: an empty list.
    if H5Sget_simple_extent_type(space) == H5S_NULL { return [0] }
    guard axes > 0 else { return [] }
    var sizes = [hsize_t](repeating: 0, count: Int(axes))
    try place.check(H5Sget_simple_extent_dims(space, &sizes, nil))
    return try sizes.map { size in
      guard let size = Int(exactly: size) else { throw place.error("the shape \(sizes) is impossible") }
      return size
    }
  }

  func storedType(_ dataset: hid_t, _ place: Place) throws -> StoredType {
    try place.with(H5Dget_type(dataset), close: H5Tclose) { try StoredType($0, place) }
  }

  private func checkReadable<T: HDF5Element>(_ dataset: hid_t, _ type: T.Type, _ place: Place) throws -> [Int] {
    let stored = try storedType(dataset, place)
    guard stored.fits(T.elementType) else {
      throw place.error("it holds \(stored.elementType), which \(T.elementType) can't hold")
    }
    return try shape(dataset, place)
  }

  private func check(_ shape: [Int], _ expected: [Int?]?, _ place: Place) throws {
    guard let expected else { return }
    guard shape.count == expected.count, zip(shape, expected).allSatisfy({ $1 == nil || $0 == $1 }) else {
      let text = expected.map { $0.map(String.init) ?? "any" }.joined(separator: ", ")
      throw place.error("its shape is \(shape), not [\(text)]")
    }
  }

  /// The number of elements of a shape, unless the file can't possibly hold them: a damaged header must not make this
  /// process ask for more memory than there is.
  private func plausibleCount(_ shape: [Int], _ stride: Int, _ dataset: hid_t, _ place: Place) throws -> Int {
    let count = try elementCount(shape, place)
    let bytes = count.multipliedReportingOverflow(by: stride)
    let stored = Int(clamping: H5Dget_storage_size(dataset))
    // Deflate makes at most 1032 bytes of one. Widening makes at most 8.
    let most = stored.multipliedReportingOverflow(by: 1032 * 8)
    guard !bytes.overflow, bytes.partialValue <= 64 << 20 || most.overflow || bytes.partialValue <= most.partialValue
    else {
      throw place.error(
        "its shape \(shape) would take \(bytes.partialValue) bytes, but the file holds only \(stored) for it")
    }
    return count
  }

  func fill<T: HDF5Element>(_ type: T.Type, _ count: Int, _ body: (UnsafeMutableRawPointer) throws -> Void) throws
    -> [T]
  {
    var values = [T](repeating: .zero, count: count)
    try values.withUnsafeMutableBytes { bytes in
      if let start = bytes.baseAddress, !bytes.isEmpty { try body(start) }
    }
    return values
  }

  /// Reads strings of a dataset or attribute.
  func strings(
    _ type: hid_t, _ stored: StoredType, _ count: Int, _ place: Place,
    _ read: (_ memoryType: hid_t, _ start: UnsafeMutableRawPointer) -> herr_t, space: () -> hid_t
  ) throws -> [String] {
    guard count > 0 else { return [] }
    func decode(_ bytes: some Sequence<UInt8>) throws -> String {
      let bytes = Array(bytes)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw place.error("a string isn't UTF-8: \(bytes.prefix(40))")
      }
      return text
    }
    // The file's own string type, as memory has it: the library doesn't convert between character sets.
    return try place.with(H5Tget_native_type(type, H5T_DIR_DEFAULT), close: H5Tclose) { memory in
      guard stored.isVariableString else {
        let bytes = try fill(UInt8.self, count * stored.byteCount) { _ = try place.check(read(memory, $0)) }
        // Padded with spaces in Fortran's manner, or with zeros, or ended by one.
        let spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD
        return try (0..<count).map { index in
          let field = bytes[index * stored.byteCount..<(index + 1) * stored.byteCount]
          guard spaces else { return try decode(field.prefix { $0 != 0 }) }
          return try decode(field.reversed().drop { $0 == 32 }.reversed())
        }
      }
      var pointers = [UnsafeMutablePointer<UInt8>?](repeating: nil, count: count)
      return try pointers.withUnsafeMutableBytes { raw in
        guard let start = raw.baseAddress else { return [] }
        _ = try place.check(read(memory, start))
        let list = raw.assumingMemoryBound(to: UnsafeMutablePointer<UInt8>?.self)
        let texts = Result {
          try list.map { pointer in
            guard let pointer else { return "" }
            return try decode(
              sequence(state: pointer) { next in
                let byte = next.pointee
                next += 1
                return byte == 0 ? nil : byte
              })
          }
        }
        // The library allocated each string.
        try place.with(space(), close: H5Sclose) {
          _ = try place.check(H5Dvlen_reclaim(memory, $0, chdf5_default(), start))
        }
        return try texts.get()
      }
    }
  }
}
