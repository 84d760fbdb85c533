import COneDNN
import TensorCore

/// What oneDNN refused.
public struct OneDNNError: Error, CustomStringConvertible {
  let call: String
  let status: UInt32

  public var description: String { "oneDNN: \(call) failed with status \(status)" }
}

/// Matrix products of bf16 operands with float32 sums, by oneDNN, straight on weights as they lie in their file.
final class BFloat16Product {
  /// Whether this processor has bf16 instructions. Without them oneDNN would be slower than float32.
  static var isFast: Bool { headimpact_has_bf16_instructions() != 0 }

  private struct Form: Hashable {
    let rows: Int
    let columns: Int
    let depth: Int
    let accumulate: Bool
  }

  private let engine: dnnl_engine_t
  private let stream: dnnl_stream_t
  private var products: [Form: headimpact_matmul] = [:]
  private var scratchpad = AlignedBuffer<UInt8>()

  init() throws {
    var engine: dnnl_engine_t?
    var stream: dnnl_stream_t?
    let status = headimpact_engine_create(&engine, &stream)
    guard status == dnnl_success, let engine, let stream else {
      throw OneDNNError(call: "dnnl_engine_create", status: status.rawValue)
    }
    self.engine = engine
    self.stream = stream
  }

  deinit {
    forgetProducts()
    dnnl_stream_destroy(stream)
    dnnl_engine_destroy(engine)
  }

  /// destination (+)= source · weightsᵀ.
  ///
  /// - Shape: source [rows, depth], weights [columns, depth], destination [rows, columns].
  func multiply(
    _ source: UnsafePointer<UInt16>, _ weights: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>,
    rows: Int, columns: Int, depth: Int, accumulate: Bool
  ) throws {
    let form = Form(rows: rows, columns: columns, depth: depth, accumulate: accumulate)
    var product = try products[form] ?? make(form)
    scratchpad.reserve(product.scratchpad_bytes)
    let status = headimpact_matmul_execute(&product, stream, source, weights, destination, scratchpad.base)
    guard status == dnnl_success else { throw OneDNNError(call: "dnnl_primitive_execute", status: status.rawValue) }
  }

  private func make(_ form: Form) throws -> headimpact_matmul {
    // Every image size makes a dozen; a long run over many sizes must not keep them all.
    if products.count >= 512 { forgetProducts() }
    var product = headimpact_matmul()
    let status = headimpact_matmul_create(
      engine, Int64(form.rows), Int64(form.columns), Int64(form.depth), Int64(form.depth), Int64(form.depth),
      Int64(form.columns), 1, form.accumulate ? 1 : 0, &product)
    guard status == dnnl_success else { throw OneDNNError(call: "dnnl_matmul", status: status.rawValue) }
    products[form] = product
    return product
  }

  private func forgetProducts() {
    for form in products.keys {
      var product = products[form] ?? headimpact_matmul()
      headimpact_matmul_destroy(&product)
    }
    products.removeAll(keepingCapacity: true)
  }
}
