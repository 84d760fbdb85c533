import COneDNN
import COpenBLAS

/// What the libraries say of themselves.
public enum LinearAlgebraLibraries {
  /// OpenBLAS's version and the kernels that it chose for this processor.
  public static var openBLAS: String { openblas_get_config().map { String(cString: $0) } ?? "unknown" }

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
