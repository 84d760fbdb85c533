import CCrypto
import Foundation

/// SHA-256 by OpenSSL's libcrypto: HDF5's development package needs it anyway, it uses the processor's SHA
/// instructions, and it adds no build time, which swift-crypto (a vendored BoringSSL) does.
public struct SHA256: ~Copyable {
  private let context: OpaquePointer

  /// - Throws: `DigestError` if libcrypto has no memory or no SHA-256.
  public init() throws {
    guard let context = EVP_MD_CTX_new() else { throw DigestError() }
    guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      EVP_MD_CTX_free(context)
      throw DigestError()
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Takes in more bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) throws {
    guard !bytes.isEmpty else { return }
    guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else { throw DigestError() }
  }

  /// The digest of everything taken in: 64 lower-case hexadecimal digits.
  public consuming func finalize() throws -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else { throw DigestError() }
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// The digest of `bytes`, in hexadecimal.
  public static func hex(of bytes: UnsafeRawBufferPointer) throws -> String {
    var digest = try SHA256()
    try digest.update(bytes)
    return try digest.finalize()
  }

  /// The digest of a file's bytes, in hexadecimal.
  ///
  /// - Throws: `UnusableFile` if the file can't be read.
  public static func hex(ofFile url: URL) throws -> String {
    try MappedFile(contentsOf: url).withBytes { try hex(of: $0) }
  }
}

/// libcrypto could not compute a digest: it is out of memory, or its configuration forbids SHA-256.
public struct DigestError: Error, CustomStringConvertible, Sendable {
  public var description: String {
    "libcrypto can't compute SHA-256 here: is it out of memory, or is its set-up broken?"
  }
}
