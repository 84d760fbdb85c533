import Foundation
import IO

/// Crashes as the argument says: `truncated FILE` reads a mapped file that is cut off, `pointer` nowhere, `stack` calls
/// itself too often.
func crashCase(_ arguments: [String]) throws {
  CrashReport.install()
  switch arguments.first {
  case "truncated":
    let url = URL(fileURLWithPath: arguments[1])
    let file = try MappedFile(contentsOf: url)
    try expect(truncate(url.path, 10), 0, "truncate")
    print("sum \(file.withBytes { $0.reduce(0) { $0 &+ Int($1) } })")
  case "pointer":
    let pointer = UnsafePointer<Int>(bitPattern: 0xdead000)
    print("\(pointer?.pointee ?? 0)")
  case "stack": print("\(depth(below: ProcessInfo.processInfo.processorCount))")
  default: throw CaseFailure("crash truncated FILE, crash pointer or crash stack")
  }
  print("not reached")
}

private func depth(below level: Int) -> Int {
  // Never true; the compiler doesn't know.
  guard level >= 0 else { return 0 }
  let numbers = [level, level + 1]
  return numbers[depth(below: level + 1) & 1]
}
