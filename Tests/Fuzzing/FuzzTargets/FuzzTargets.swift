import Foundation

/// One execution of the target that FUZZ_TARGET names. An error is what a bad input should give; only a trap, a sanitizer's
/// find, a hang or too much memory is a find.
@_cdecl("headimpact_fuzz")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  do {
    try target(Array(UnsafeBufferPointer(start: data, count: size)))
  } catch {
    // Its text is made too: a message must not trap either.
    _ = "\(error)".utf8.count
  }
  return 0
}

typealias FuzzTarget = ([UInt8]) throws -> Void

// libFuzzer calls from one thread.
nonisolated(unsafe) private let target: FuzzTarget = {
  let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? ""
  guard let make = fuzzTargets[name] else {
    print("FUZZ_TARGET is \"\(name)\"; there are: \(fuzzTargets.keys.sorted().joined(separator: " "))")
    exit(64)
  }
  do { return try make() } catch {
    print("\(name) can't be prepared: \(error)")
    exit(1)
  }
}()
