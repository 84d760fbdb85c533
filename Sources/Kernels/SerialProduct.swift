#if arch(x86_64)
  import COneDNN
#else
  import COpenBLAS
#endif

/// c (+)= a · b in float32 on the calling thread, either operand transposed or not.
///
/// On x86-64 by oneDNN, which generates its kernel for the processor it finds. Debian's OpenBLAS picks from a list that
/// ends with the processors of its day, and on a newer one runs at a fifth of the rate; it serves everywhere else.
///
/// - Shape: a [rows, depth] or, transposed, [depth, rows]; b [depth, columns] or, transposed, [columns, depth]; c [rows,
///   columns]; each with the distance between its rows.
func multiplySerially(
  _ a: UnsafePointer<Float>, stride aStride: Int, isATransposed: Bool = false, _ b: UnsafePointer<Float>,
  stride bStride: Int, isTransposed: Bool,
  into c: UnsafeMutablePointer<Float>, stride cStride: Int, rows: Int, columns: Int, depth: Int, accumulate: Bool
) throws(OneDNNError) {
  #if arch(x86_64)
    let status = dnnl_sgemm(
      CChar(UInt8(ascii: isATransposed ? "T" : "N")), CChar(UInt8(ascii: isTransposed ? "T" : "N")), Int64(rows),
      Int64(columns), Int64(depth), 1, a, Int64(aStride), b, Int64(bStride), accumulate ? 1 : 0, c, Int64(cStride))
    guard status == dnnl_success else { throw OneDNNError(call: "dnnl_sgemm", status: status.rawValue) }
  #else
    cblas_sgemm(
      CblasRowMajor, isATransposed ? CblasTrans : CblasNoTrans, isTransposed ? CblasTrans : CblasNoTrans, Int32(rows),
      Int32(columns), Int32(depth),
      1, a, Int32(aStride), b, Int32(bStride), accumulate ? 1 : 0, c, Int32(cStride))
  #endif
}
