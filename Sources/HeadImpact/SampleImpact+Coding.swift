/// The bytes that travel between ranks and lie in the journal. All little endian:
///
///     "HIsm"  version  layers  heads  measures                      4 bytes, then UInt32 each
///     annotation id  image id  category id                          Int64 each
///     sequence  visual  caption  mask tokens                        UInt32 each
///     hi, chance, nosink [measure, layer, head]  sinkShare [layer, head]     Float64 each
extension SampleImpact {
  private static let magic = [UInt8]("HIsm".utf8)
  private static let version: UInt32 = 1
  private static let headerBytes = 4 + 4 * 4 + 3 * 8 + 4 * 4

  public func encode() -> [UInt8] {
    var bytes = Self.magic
    bytes.reserveCapacity(Self.headerBytes + 8 * (hi.count * 3 + sinkShare.count))
    func append<T: FixedWidthInteger>(_ value: T) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    append(Self.version)
    append(UInt32(layers))
    append(UInt32(heads))
    append(UInt32(Measure.allCases.count))
    for id in [annotationID, imageID, categoryID] { append(Int64(id)) }
    for count in [tokens.sequence, tokens.visual, tokens.caption, tokens.mask] { append(UInt32(count)) }
    for values in [hi, chance, nosink, sinkShare] {
      for value in values { append(value.bitPattern) }
    }
    return bytes
  }

  /// - Throws: `HeadImpactError` if the bytes aren't exactly one encoded sample of this version.
  public init(decoding bytes: [UInt8]) throws {
    guard bytes.count >= Self.headerBytes else {
      throw HeadImpactError("an encoded sample of \(bytes.count) bytes; its header alone has \(Self.headerBytes)")
    }
    guard bytes.starts(with: Self.magic) else {
      throw HeadImpactError("an encoded sample begins with the bytes \(Array(bytes[..<4])), not \(Self.magic)")
    }
    var at = Self.magic.count
    // The length is checked before anything is read past the header.
    func next<T: FixedWidthInteger>(_: T.Type) -> T {
      let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: T.self) }
      at += MemoryLayout<T>.size
      return T(littleEndian: value)
    }
    let version = next(UInt32.self)
    guard version == Self.version else {
      throw HeadImpactError("an encoded sample of version \(version); this program knows version \(Self.version)")
    }
    let layers = Int(next(UInt32.self))
    let heads = Int(next(UInt32.self))
    let measures = Int(next(UInt32.self))
    guard measures == Measure.allCases.count, Self.sizes.contains(layers), Self.sizes.contains(heads) else {
      throw HeadImpactError(
        "an encoded sample of \(measures) measures, \(layers) layers and \(heads) heads; there are "
          + "\(Measure.allCases.count) measures, and layers and heads must be in \(Self.sizes)")
    }
    let perMeasure = layers * heads
    let length = Self.headerBytes + 8 * (3 * measures + 1) * perMeasure
    guard bytes.count == length else {
      throw HeadImpactError(
        "an encoded sample of \(bytes.count) bytes; \(layers) layers of \(heads) heads take \(length)")
    }
    let ids = (0..<3).map { _ in Int(next(Int64.self)) }
    let counts = (0..<4).map { _ in Int(next(UInt32.self)) }
    func values(_ count: Int) -> [Double] {
      defer { at += 8 * count }
      return bytes.withUnsafeBytes { bytes in
        [Double](unsafeUninitializedCapacity: count) { values, initialized in
          for i in 0..<count {
            let bits = bytes.loadUnaligned(fromByteOffset: at + 8 * i, as: UInt64.self)
            values.initializeElement(at: i, to: Double(bitPattern: UInt64(littleEndian: bits)))
          }
          initialized = count
        }
      }
    }
    try self.init(
      annotationID: ids[0], imageID: ids[1], categoryID: ids[2],
      tokens: TokenCounts(sequence: counts[0], visual: counts[1], caption: counts[2], mask: counts[3]),
      layers: layers, heads: heads, hi: values(measures * perMeasure), chance: values(measures * perMeasure),
      nosink: values(measures * perMeasure), sinkShare: values(perMeasure))
  }
}
