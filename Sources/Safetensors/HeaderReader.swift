import JSON

/// Reads the JSON of a safetensors header or index: no key may be there twice, and errors name the file and the byte.
struct HeaderReader {
  typealias Member = (_ key: String, _ reader: inout JSONReader) throws -> Void

  /// The file's name in errors.
  let path: String
  /// Where the JSON starts in that file.
  let origin: Int

  // The formats read here need four levels.
  private static let rules = JSONReader.Rules(maximumDepth: 32)

  /// Reads a JSON text that is one object; `member` must read each value.
  ///
  /// - Throws: `SafetensorsError`.
  func read(_ bytes: UnsafeRawBufferPointer, _ what: String, _ member: Member) throws {
    do {
      try JSONReader.read(bytes, rules: Self.rules) { try object(what, &$0, member) }
    } catch let error as JSONError {
      let reason = error.isSyntax ? "\(what) isn't JSON: \(error.problem)" : "\(what) can't be read: \(error.problem)"
      throw SafetensorsError(path, offset: error.syntaxPlace.map { origin + $0.byte }, reason)
    }
  }

  /// Reads an object; `member` must read each value.
  func object(_ what: String, _ reader: inout JSONReader, _ member: Member) throws {
    guard reader.peek() == .object else { throw error("\(what) must be a JSON object", at: reader.position) }
    var keys: Set<String> = []
    try reader.readObject { reader, bytes in
      let key = bytes.text
      guard keys.insert(key).inserted else {
        throw error("\(what) has the key '\(printable(key))' twice", at: reader.keyPosition)
      }
      try member(key, &reader)
    }
  }

  /// Reads an array of at most `limit` whole numbers from 0 to `Int.max`, written without point and exponent.
  func counts(_ what: String, atMost limit: Int, tensor: String, _ reader: inout JSONReader) throws -> [Int] {
    guard reader.peek() == .array else { throw error("\(what) must be a JSON array", at: reader.position) }
    var values: [Int] = []
    try reader.readArray { reader in
      guard values.count < limit else {
        throw error("\(what) has more than \(limit) numbers", at: reader.position, tensor: tensor)
      }
      values.append(try count("a number in \(what)", &reader))
    }
    return values
  }

  private func count(_ what: String, _ reader: inout JSONReader) throws -> Int {
    let place = reader.position
    let mustBe = "\(what) must be a whole number of at least 0"
    guard reader.peek() == .number else { throw error(mustBe, at: place) }
    let number = try reader.readNumber()
    let written = reader.lastText
    guard written.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else {
      throw error(mustBe, at: place)
    }
    guard case .integer(let value) = number else { throw error("\(what) is too large for 63 bits", at: place) }
    return Int(value)
  }

  func string(_ what: String, _ reader: inout JSONReader) throws -> String {
    guard reader.peek() == .string else { throw error("\(what) must be a string", at: reader.position) }
    return try reader.readString()
  }

  /// Passes over any value, in which no key may be twice either.
  func skip(_ what: String, _ reader: inout JSONReader) throws {
    switch reader.peek() {
    case .object: try object(what, &reader) { _, inner in try skip(what, &inner) }
    case .array: try reader.readArray { try skip(what, &$0) }
    default: try reader.skipValue()
    }
  }

  /// - Parameter place: in the JSON text.
  func error(_ reason: String, at place: Int, tensor: String? = nil) -> SafetensorsError {
    SafetensorsError(path, tensor: tensor, offset: origin + place, reason)
  }
}
