import JSON
import Synchronization

/// Words already merged. Shared by all threads that use the tokenizer.
final class WordCache: Sendable {
  /// As many as the tokenizers library keeps; when full no more are taken in.
  private static let capacity = 10_000
  /// Longer words hardly come again.
  private static let longestWord = 256

  private let words = Mutex<[ByteString: [WordSymbol]]>([:])

  func symbols(of word: ByteString, or compute: () -> [WordSymbol]) -> [WordSymbol] {
    guard word.bytes.count <= Self.longestWord else { return compute() }
    if let known = words.withLock({ $0[word] }) { return known }
    let symbols = compute()
    words.withLock { if $0.count < Self.capacity { $0[word] = symbols } }
    return symbols
  }
}
