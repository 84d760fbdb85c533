#if arch(x86_64)
  import CMatrixProduct
#else
  import COpenBLAS
#endif

/// c (+)= a · b in float32 on the calling thread, either operand transposed or not.
///
/// - Shape: a [rows, depth] or, transposed, [depth, rows]; b [depth, columns] or, transposed, [columns, depth]; c [rows,
///   columns]; each with the distance between its rows.
func multiplySerially(
  _ a: UnsafePointer<Float>, stride aStride: Int, isATransposed: Bool = false, _ b: UnsafePointer<Float>,
  stride bStride: Int, isTransposed: Bool,
  into c: UnsafeMutablePointer<Float>, stride cStride: Int, rows: Int, columns: Int, depth: Int, accumulate: Bool
) {
  #if arch(x86_64)
    headimpact_product_multiply(
      ProductInstructions.ofFloats.kind,
      headimpact_matrix(
        base: a, stride: Int64(aStride), element: headimpact_float32, across: isATransposed ? 0 : 1, rounds: 0),
      headimpact_matrix(
        base: b, stride: Int64(bStride), element: headimpact_float32, across: isTransposed ? 1 : 0, rounds: 0),
      Int64(rows), Int64(columns), Int64(depth), c, Int64(cStride), accumulate ? 1 : 0)
  #else
    cblas_sgemm(
      CblasRowMajor, isATransposed ? CblasTrans : CblasNoTrans, isTransposed ? CblasTrans : CblasNoTrans, Int32(rows),
      Int32(columns), Int32(depth),
      1, a, Int32(aStride), b, Int32(bStride), accumulate ? 1 : 0, c, Int32(cStride))
  #endif
}

extension ProductInstructions {
  /// Those of float32, asked for once.
  fileprivate static let ofFloats = fastest(for: .f32)
}
