/// A TensorBoard event file of scalars: records framed as TFRecord does, each an `Event` of tensorflow/core/util/event.proto.
struct TensorBoardFile {
  private(set) var bytes: [UInt8] = []

  /// - Parameter time: when the run began. - Units: seconds since 1970.
  init(time: Double) {
    add(Self.double(1, time) + Self.field(3, Array("brain.Event:2".utf8)))
  }

  /// - Parameter time: when it was measured. - Units: seconds since 1970.
  mutating func add(_ tag: String, _ value: Double, step: Int, time: Double) {
    // Summary.Value: tag = 1, simple_value = 2; Summary: value = 1; Event: wall_time = 1, step = 2, summary = 5.
    let scalar =
      Self.field(1, Array(tag.utf8)) + [2 << 3 | 5]
      + Self.littleEndian(Float(value).bitPattern)
    add(
      Self.double(1, time) + [2 << 3 | 0] + Self.varint(UInt64(step)) + Self.field(5, Self.field(1, scalar)))
  }

  /// Length, its checksum, data, their checksum.
  private mutating func add(_ record: [UInt8]) {
    let length = Self.littleEndian(UInt64(record.count))
    bytes += length + Self.littleEndian(Self.maskedCRC(length)) + record + Self.littleEndian(Self.maskedCRC(record))
  }

  // MARK: Protocol buffers

  private static func varint(_ value: UInt64) -> [UInt8] {
    var (rest, bytes): (UInt64, [UInt8]) = (value, [])
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  private static func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
    [number << 3 | 2] + varint(UInt64(content.count)) + content
  }

  private static func double(_ number: UInt8, _ value: Double) -> [UInt8] {
    [number << 3 | 1] + littleEndian(value.bitPattern)
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  // MARK: Checksums

  /// CRC-32C, rotated and moved as TFRecord has it, so that a record of records has no record's checksum.
  static func maskedCRC(_ bytes: [UInt8]) -> UInt32 {
    let crc = ~bytes.reduce(UInt32.max) { crc, byte in crc >> 8 ^ table[Int((crc ^ UInt32(byte)) & 0xFF)] }
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
  }
}
