/// The entries of a TIFF directory, which EXIF data are as well, read as Pillow's `ImageFileDirectory_v2` reads them:
/// what can't be read is left out.
struct TIFFDirectory {
  enum Tag {
    static let width: UInt16 = 256
    static let height: UInt16 = 257
    static let bitsPerSample: UInt16 = 258
    static let compression: UInt16 = 259
    static let photometric: UInt16 = 262
    static let orientation: UInt16 = 274
    static let samplesPerPixel: UInt16 = 277
    static let planarConfiguration: UInt16 = 284
    static let colormap: UInt16 = 320
    static let extraSamples: UInt16 = 338
    static let sampleFormat: UInt16 = 339
    static let chromaSubsampling: UInt16 = 530
    static let xmp: UInt16 = 700
  }

  private struct Entry {
    let type: UInt16
    let content: Range<Int>
  }

  let isBigEndian: Bool
  private let bytes: [UInt8]
  private var entries: [UInt16: Entry] = [:]

  /// The first directory of the TIFF data in `range`, to whose start offsets are relative.
  ///
  /// - Returns: nil if the data don't begin as TIFF does.
  init?(_ bytes: [UInt8], in range: Range<Int>) {
    guard range.count >= 8, let kind = Self.signature(bytes[range.lowerBound..<range.lowerBound + 4]) else {
      return nil
    }
    self.bytes = bytes
    isBigEndian = kind.isBigEndian
    if kind.isBig {
      guard range.count >= 16 else { return nil }
      read(in: range, at: integer(at: range.lowerBound + 8, bytes: 8), isBig: true)
    } else {
      read(in: range, at: integer(at: range.lowerBound + 4, bytes: 4), isBig: false)
    }
  }

  /// The byte orders and sizes that Pillow takes for TIFF, two wrong ones among them.
  static func signature(_ start: ArraySlice<UInt8>) -> (isBigEndian: Bool, isBig: Bool)? {
    switch Array(start) {
    case [0x4d, 0x4d, 0x00, 0x2a], [0x4d, 0x4d, 0x2a, 0x00]: (true, false)
    case [0x49, 0x49, 0x2a, 0x00], [0x49, 0x49, 0x00, 0x2a]: (false, false)
    case [0x4d, 0x4d, 0x00, 0x2b]: (true, true)
    case [0x49, 0x49, 0x2b, 0x00]: (false, true)
    default: nil
    }
  }

  private mutating func read(in range: Range<Int>, at offset: UInt64, isBig: Bool) {
    let (countSize, entrySize, valueSize) = isBig ? (8, 20, 8) : (2, 12, 4)
    guard offset <= UInt64(range.count) else { return }
    var at = range.lowerBound + Int(offset)
    guard at + countSize <= range.upperBound else { return }
    let count = integer(at: at, bytes: countSize)
    at += countSize
    var total = 0
    for _ in 0..<min(count, UInt64(range.count / entrySize)) {
      guard at + entrySize <= range.upperBound else { return }
      let tag = UInt16(integer(at: at, bytes: 2))
      let type = UInt16(integer(at: at + 2, bytes: 2))
      let values = integer(at: at + 4, bytes: valueSize)
      let field = at + 4 + valueSize
      at += entrySize
      guard entries[tag] == nil, let unit = Self.size(ofType: type), values > 0 else { continue }
      let (size, overflow) = values.multipliedReportingOverflow(by: UInt64(unit))
      guard !overflow, size <= UInt64(range.count) else { continue }
      guard size > UInt64(valueSize) else {
        entries[tag] = Entry(type: type, content: field..<field + Int(size))
        continue
      }
      // Entries that overlap may not add up to more than there is.
      total += Int(size)
      guard total <= range.count else { continue }
      let place = integer(at: field, bytes: valueSize)
      // Where a value lies outside, Pillow reads no further.
      guard place <= UInt64(range.count), Int(place) + Int(size) <= range.count else { return }
      let start = range.lowerBound + Int(place)
      entries[tag] = Entry(type: type, content: start..<start + Int(size))
    }
  }

  private func integer(at position: Int, bytes count: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<count { value = value << 8 | UInt64(bytes[position + (isBigEndian ? index : count - 1 - index)]) }
    return value
  }

  private static func size(ofType type: UInt16) -> Int? {
    switch type {
    case 1, 2, 6, 7: 1
    case 3, 8: 2
    case 4, 9, 11, 13: 4
    case 5, 10, 12, 16: 8
    default: nil
    }
  }

  func has(_ tag: UInt16) -> Bool { entries[tag] != nil }

  /// The bytes of an entry as they are.
  func content(_ tag: UInt16) -> ArraySlice<UInt8>? { entries[tag].map { bytes[$0.content] } }

  /// The numbers of an entry; nil if there is none, or its type is none of numbers.
  ///
  /// - Parameter limit: how many are read at most.
  func integers(_ tag: UInt16, limit: Int = 64) -> [Int]? {
    guard let entry = entries[tag], let size = Self.size(ofType: entry.type), entry.content.count >= size else {
      return nil
    }
    var numbers: [Int] = []
    for at in stride(from: entry.content.lowerBound, to: entry.content.upperBound - size + 1, by: size).prefix(limit) {
      guard let number = number(at: at, type: entry.type) else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  /// A whole number of any type, as in Python 6, 6.0 and 12/2 are the same; nil for others, and for bytes and text.
  private func number(at: Int, type: UInt16) -> Int? {
    func signed(_ at: Int) -> Int { Int(Int32(truncatingIfNeeded: integer(at: at, bytes: 4))) }
    func whole(_ over: Int, _ under: Int) -> Int? { under != 0 && over % under == 0 ? over / under : nil }
    return switch type {
    case 3: Int(integer(at: at, bytes: 2))
    case 4, 13: Int(integer(at: at, bytes: 4))
    case 5: whole(Int(integer(at: at, bytes: 4)), Int(integer(at: at + 4, bytes: 4)))
    case 6: Int(Int8(truncatingIfNeeded: integer(at: at, bytes: 1)))
    case 8: Int(Int16(truncatingIfNeeded: integer(at: at, bytes: 2)))
    case 9: signed(at)
    case 10: whole(signed(at), signed(at + 4))
    case 11: Int(exactly: Float(bitPattern: UInt32(integer(at: at, bytes: 4))))
    case 12: Int(exactly: Double(bitPattern: integer(at: at, bytes: 8)))
    case 16: Int(exactly: integer(at: at, bytes: 8))
    default: nil
    }
  }
}
