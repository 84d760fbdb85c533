import IO
import Testing

@Suite("Files that the kernel writes")
struct KernelFileTests {
  @Test("a long one is read to its end")
  func long() throws {
    let text = try #require(KernelFile.text("/proc/self/maps"))
    #expect(text.utf8.count > 3 * 4096 && text.hasSuffix("\n"))
  }

  @Test("one that isn't there is nil")
  func missing() { #expect(KernelFile.text("/proc/self/no such file") == nil) }
}
