#if arch(x86_64)
  import CMatrixProduct
#else
  import COpenBLAS
#endif

/// The instructions that matrix products use.
///
/// `avx2` and `avx512` give the same bits.
public enum ProductInstructions: String, CaseIterable, Sendable {
  /// Those that every processor has, or OpenBLAS where the processor isn't an x86-64.
  case plain
  case avx2 = "AVX2"
  case avx512 = "AVX-512"
  /// AVX-512's dot products of pairs of bf16, with float32 sums.
  case bfloat16 = "AVX-512 bf16"

  /// Those of this processor, for this precision; the last are the fastest but for bf16's, which are slower on some.
  public static func available(for precision: Precision) -> [ProductInstructions] {
    allCases.filter { $0.areHere && ($0 != .bfloat16 || precision == .bf16) }
  }

  /// The fastest of them.
  ///
  /// The processor's kind decides, not a timing: the bits of bf16's don't depend on the moment.
  public static func fastest(for precision: Precision) -> ProductInstructions {
    available(for: precision).last { $0 != .bfloat16 || $0.areFast } ?? .plain
  }

  /// What multiplies on this machine, for people: "AVX-512", or OpenBLAS's version and kernels.
  public static var description: String {
    #if arch(x86_64)
      fastest(for: .f32).rawValue
    #else
      "OpenBLAS " + (openblas_get_config().map { String(cString: $0) } ?? "unknown")
    #endif
  }

  #if arch(x86_64)
    var kind: headimpact_product_kind {
      switch self {
      case .plain: headimpact_product_plain
      case .avx2: headimpact_product_avx2
      case .avx512: headimpact_product_avx512
      case .bfloat16: headimpact_product_bfloat16
      }
    }

    private var areHere: Bool { headimpact_product_has(kind) != 0 }
    private var areFast: Bool { headimpact_product_is_faster_in_bfloat16() != 0 }
  #else
    private var areHere: Bool { self == .plain }
    private var areFast: Bool { true }
  #endif
}

/// Instructions that this processor, or the precision, doesn't have.
public struct MissingInstructions: Error, CustomStringConvertible {
  public let instructions: ProductInstructions
  public let precision: Precision

  public var description: String { "this processor has no \(instructions.rawValue) for products in \(precision)" }
}
