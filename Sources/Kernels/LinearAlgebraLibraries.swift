import COneDNN

#if !arch(x86_64)
  import COpenBLAS
#endif

/// What the libraries say of themselves.
public enum LinearAlgebraLibraries {
  /// OpenBLAS's version and the kernels that it chose for this processor; nil on x86-64, which has no use for it.
  public static var openBLAS: String? {
    #if arch(x86_64)
      nil
    #else
      openblas_get_config().map { String(cString: $0) } ?? "unknown"
    #endif
  }

  /// Settles, once for the process, what the libraries would else take from the environment: threads and precision.
  static func settle() { settled }

  private static let settled: Void = {
    headimpact_keep_precision()
    #if !arch(x86_64)
      openblas_set_num_threads(1)
    #endif
  }()

  /// oneDNN's version and the instructions that it uses on this processor.
  public static var oneDNN: String {
    guard let version = dnnl_version()?.pointee else { return "unknown" }
    let instructions = String(format16: dnnl_get_effective_cpu_isa().rawValue)
    return "\(version.major).\(version.minor).\(version.patch), instruction set \(instructions)"
  }
}

extension String {
  fileprivate init(format16 value: UInt32) { self = "0x" + String(value, radix: 16) }
}
