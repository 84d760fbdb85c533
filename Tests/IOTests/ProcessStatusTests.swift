import Foundation
import Testing

@testable import IO

@Suite("What the kernel says of a process")
struct ProcessStatusTests {
  @Test("the name may hold brackets and spaces")
  func name() {
    let rest = "T 7 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0"
    let status = ProcessStatus(stat: "12 (a) (b c) \(rest)\n")
    #expect(status?.name == "a) (b c" && status?.parent == 7 && status?.start == 98765)
    #expect(status?.isStopped == true && status?.isDead == false && status?.isLauncher == false)
    #expect(ProcessStatus(stat: "12 (orted) \(rest)")?.isLauncher == true)
    #expect(ProcessStatus(stat: "12 (slurmstepd) \(rest)")?.isSlurmStep == true && status?.isSlurmStep == false)
    for broken in ["", "12 ", "12 )a( \(rest)", "12 (a) T 7"] { #expect(ProcessStatus(stat: broken) == nil) }
  }

  @Test("this process is among all, and has its parent")
  func own() {
    #expect(ProcessStatus(of: getpid())?.parent == getppid())
    #expect(ProcessStatus.all[getpid()]?.start == ProcessStatus(of: getpid())?.start)
    #expect(ProcessStatus(of: -1) == nil)
  }
}
