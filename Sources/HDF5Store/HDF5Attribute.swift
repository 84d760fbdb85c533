internal import CHDF5

/// A note on a file (on its root group), a group or a dataset.
public enum HDF5Attribute: Sendable, Equatable {
  case string(String)
  case strings([String])
  case integer(Int64)
  case integers([Int64])
  case double(Double)
  case doubles([Double])
}

extension HDF5Attribute: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
}

extension HDF5File {
  /// Sets an attribute of a group or dataset, of the file itself by default. One of the same name is replaced.
  public func setAttribute(_ name: String, _ value: HDF5Attribute, of object: String = "/") throws {
    try withObject(object, attribute: name, "set attribute", writing: true) { object, place in
      if try place.check(H5Aexists(object, name)) > 0 { try place.check(H5Adelete(object, name)) }
      switch value {
      case .string(let text): try put([text], [], name, object, place)
      case .strings(let texts): try put(texts, [texts.count], name, object, place)
      case .integer(let number): try put([number], [], name, object, place)
      case .integers(let numbers): try put(numbers, [numbers.count], name, object, place)
      case .double(let number): try put([number], [], name, object, place)
      case .doubles(let numbers): try put(numbers, [numbers.count], name, object, place)
      }
    }
  }

  /// An attribute of a group or dataset, of the file itself by default; nil if there is none of this name.
  ///
  /// - Throws: `HDF5Error` where it is neither text nor number, or has several axes.
  public func attribute(_ name: String, of object: String = "/") throws -> HDF5Attribute? {
    try withObject(object, attribute: name, "read attribute", writing: false) { object, place -> HDF5Attribute? in
      guard try place.check(H5Aexists(object, name)) > 0 else { return nil }
      return try place.with(H5Aopen(object, name, chdf5_default()), close: H5Aclose) { handle -> HDF5Attribute in
        let shape = try place.with(H5Aget_space(handle), close: H5Sclose) { try self.shape(ofSpace: $0, place) }
        guard shape.count <= 1 else { throw place.error("its shape is \(shape), not a list") }
        return try get(handle, shape, place)
      }
    }
  }

  /// The names of an object's attributes, in the order of the alphabet.
  public func attributeNames(of object: String = "/") throws -> [String] {
    try withObject(object, attribute: nil, "list attributes", writing: false) { object, place in
      var count: hsize_t = 0
      try place.check(chdf5_attribute_count(object, &count))
      return try (0..<count).map { number in
        let length = try place.check(
          H5Aget_name_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, number, nil, 0, chdf5_default()))
        var text = [CChar](repeating: 0, count: length + 1)
        try place.check(
          H5Aget_name_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, number, &text, text.count, chdf5_default()))
        return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      }
    }
  }

  // MARK: -

  private func withObject<R>(
    _ object: String, attribute: String?, _ operation: String, writing: Bool, _ body: (hid_t, Place) throws -> R
  ) throws -> R {
    try access(object, operation, writing: writing) { file, object, place in
      guard try exists(object, file, place) else { throw place.error("there is no such group or dataset") }
      var place = place
      if let attribute {
        guard !attribute.isEmpty, !attribute.utf8.contains(0) else {
          throw place.error("\"\(attribute)\" is not a valid attribute name")
        }
        place = Place(file: path, object: "\(object)@\(attribute)", operation: operation)
      }
      return try place.with(H5Oopen(file, object, chdf5_default()), close: H5Oclose) { try body($0, place) }
    }
  }

  private func put(_ texts: [String], _ shape: [Int], _ name: String, _ object: hid_t, _ place: Place) throws {
    let fixed = try FixedStrings(texts, leastWidth: 1, place)
    try place.with(chdf5_new_string_type(fixed.width, H5T_CSET_UTF8), close: H5Tclose) { type in
      try create(name, type, shape, object, place) { handle in
        guard !texts.isEmpty else { return }
        try fixed.withBytes(of: texts) { _ = try place.check(H5Awrite(handle, type, $0)) }
      }
    }
  }

  private func put<T: HDF5Element>(_ values: [T], _ shape: [Int], _ name: String, _ object: hid_t, _ place: Place)
    throws
  {
    try create(name, T.elementType.stored, shape, object, place) { handle in
      try values.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        _ = try place.check(H5Awrite(handle, T.elementType.native, start))
      }
    }
  }

  private func create(
    _ name: String, _ type: hid_t, _ shape: [Int], _ object: hid_t, _ place: Place, _ body: (hid_t) throws -> Void
  ) throws {
    try withSpace(shape, place) { space in
      let attribute = H5Acreate2(object, name, type, space, chdf5_default(), chdf5_default())
      try place.with(attribute, close: H5Aclose, body)
    }
  }

  private func get(_ handle: hid_t, _ shape: [Int], _ place: Place) throws -> HDF5Attribute {
    let count = try elementCount(shape, place)
    return try place.with(H5Aget_type(handle), close: H5Tclose) { type in
      let stored = try StoredType(type, place)
      // What is stored lies in the object's header, and was read with it.
      let bytes = count.multipliedReportingOverflow(by: stored.byteCount)
      guard !bytes.overflow, bytes.partialValue <= 256 << 20 else {
        throw place.error("its shape \(shape) is impossible")
      }
      if stored.elementType == .string {
        let texts = try strings(type, stored, count, place) { memory, start in
          H5Aread(handle, memory, start)
        } space: {
          H5Aget_space(handle)
        }
        return shape.isEmpty ? .string(texts.first ?? "") : .strings(texts)
      }
      if stored.fits(.int64) {
        let numbers = try fill(Int64.self, count) { _ = try place.check(H5Aread(handle, chdf5_native_int64(), $0)) }
        return shape.isEmpty ? .integer(numbers.first ?? 0) : .integers(numbers)
      }
      if stored.fits(.float64) {
        let numbers = try fill(Double.self, count) { _ = try place.check(H5Aread(handle, chdf5_native_double(), $0)) }
        return shape.isEmpty ? .double(numbers.first ?? 0) : .doubles(numbers)
      }
      throw place.error("it holds \(stored.elementType), neither text nor number")
    }
  }
}
