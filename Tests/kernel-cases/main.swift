// The program that KernelsTests launches in other environments: `kernel-cases THREADS [--without-threads]` runs every kernel
// on a team of so many threads and prints a checksum of each one's output. With `--without-threads` it first becomes a
// user who may start none. `kernel-cases THREADS --idle` prints the milliseconds of processor time that a team takes that has
// nothing to do for half a second.
import Foundation
import Kernels

let arguments = Array(CommandLine.arguments.dropFirst())
guard let threads = arguments.first.flatMap(Int.init), threads >= 1 else {
  print("usage: kernel-cases THREADS [--without-threads | --idle]")
  exit(64)
}
if arguments.contains("--idle") {
  let team = ThreadTeam(count: threads)
  for _ in 0..<100 { team.forEach(threads, work: .max / 2) { _, _ in } }
  let before = clock()
  Thread.sleep(forTimeInterval: 0.5)
  print((clock() - before) * 1000 / CLOCKS_PER_SEC)
  exit(0)
}
if arguments.contains("--without-threads") { beginAgainWithoutThreads(threads) }
do {
  print("threads \(ThreadTeam(count: threads).available)")
  for precision in KernelCases.Kind.all {
    let cases = try KernelCases(precision, threads: threads)
    for (name, run) in cases.all { print("\(precision.name) \(name) \(String(try run(), radix: 16))") }
  }
} catch {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  exit(1)
}

/// Starts this program anew, so that its libraries too are loaded where no thread can start. Root may always start threads:
/// it becomes nobody first.
func beginAgainWithoutThreads(_ threads: Int) -> Never {
  var limit = rlimit(rlim_cur: 1, rlim_max: 1)
  if setrlimit(Int32(bitPattern: __RLIMIT_NPROC.rawValue), &limit) != 0 { exit(70) }
  if geteuid() == 0, setgroups(0, nil) != 0 || setgid(65534) != 0 || setuid(65534) != 0 { exit(71) }
  let program = strdup("/proc/self/exe")
  let argument = strdup("\(threads)")
  var list: [UnsafeMutablePointer<CChar>?] = [program, argument, nil]
  execv("/proc/self/exe", &list)
  exit(72)
}
