import CSimdJSON
import Synchronization

/// simdjson's parsers, which are worth keeping: each has buffers that a reader of a short text would only make and
/// free.
enum ParserPool {
  private struct Idle: @unchecked Sendable {
    // Invariant behind `@unchecked Sendable`: a parser in the pool is nobody else's, and has no state but its memory.
    let parser: OpaquePointer
  }

  private static let pool = Mutex<[Idle]>([])
  /// More would be kept by nobody but a burst of threads.
  private static let mostIdle = 64
  /// A parser that has grown beyond this, for one long string, gives its memory back. - Units: bytes.
  private static let largestKept = 16 << 20

  /// - Throws: `JSONError` if there is no memory.
  static func take() throws -> OpaquePointer {
    if let idle = pool.withLock({ $0.popLast() }) { return idle.parser }
    guard let parser = json_parser_create() else {
      throw JSONError(path: "", problem: "there is not enough memory to read it")
    }
    return parser
  }

  static func put(_ parser: OpaquePointer) {
    let idle = Idle(parser: parser)
    let isKept =
      json_parser_memory(parser) <= largestKept
      && pool.withLock { pool in
        guard pool.count < mostIdle else { return false }
        pool.append(idle)
        return true
      }
    if !isKept { json_parser_destroy(parser) }
  }
}
