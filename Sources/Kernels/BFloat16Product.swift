import COneDNN
import CVectorMath

/// What oneDNN refused.
public struct OneDNNError: Error, CustomStringConvertible {
  let call: String
  let status: UInt32

  public var description: String {
    status == dnnl_out_of_memory.rawValue
      ? "oneDNN: \(call) ran out of memory" : "oneDNN: \(call) failed with status \(status)"
  }
}

/// Matrix products of bf16 operands with float32 sums, by oneDNN, straight on weights as they lie in their file.
///
/// The output's columns are cut into panels of a fixed width and each thread of the team runs oneDNN on its own:
/// left to oneDNN, the division, and with it the order of the sums, would depend on the number of threads.
final class BFloat16Product {
  /// Whether this processor has instructions for bf16.
  static var hasInstructions: Bool { headimpact_has_bf16_instructions() != 0 }
  /// Whether those make products faster than float32's.
  static var isFast: Bool { headimpact_has_fast_bf16() != 0 }

  private struct Form: Hashable {
    let rows: Int
    let columns: Int
    let depth: Int
    let stride: Int
    /// Of the weights: as a linear layer has them, [columns, depth], or in the backward pass, [depth, columns].
    let isTransposed: Bool
    let accumulate: Bool
  }

  private let team: ThreadTeam
  private let engine: dnnl_engine_t
  private var streams: [dnnl_stream_t] = []
  /// One of each form for each thread: they hold the addresses of the operands at hand.
  private var products: [Form: [headimpact_matmul]] = [:]
  private var scratchpads = AlignedBuffer<UInt8>()

  init(team: ThreadTeam) throws {
    self.team = team
    var engine: dnnl_engine_t?
    try Self.check(dnnl_engine_create(&engine, dnnl_cpu, 0), "dnnl_engine_create")
    guard let engine else { throw OneDNNError(call: "dnnl_engine_create", status: 0) }
    self.engine = engine
    // From here on `deinit` destroys what was made, also where a stream can't be.
    for _ in 0..<team.count {
      var stream: dnnl_stream_t?
      try Self.check(
        dnnl_stream_create(&stream, engine, dnnl_stream_default_flags.rawValue), "dnnl_stream_create")
      guard let stream else { throw OneDNNError(call: "dnnl_stream_create", status: 0) }
      streams.append(stream)
    }
  }

  deinit {
    forgetProducts()
    for stream in streams { dnnl_stream_destroy(stream) }
    dnnl_engine_destroy(engine)
  }

  /// destination (+)= source · weightsᵀ, or source · weights.
  ///
  /// - Shape: source [rows, depth], weights [columns, depth] (transposed) or [depth, columns], destination [rows, columns].
  func multiply(
    _ source: UnsafePointer<UInt16>, _ weights: UnsafeRawPointer, isTransposed: Bool = true,
    into destination: UnsafeMutablePointer<Float>, rows: Int, columns: Int, depth: Int, accumulate: Bool
  ) throws {
    // Narrow enough for every thread to have work in a narrow layer, and fixed by the layer alone.
    let width = columns > 1024 ? 256 : 64
    let panels = (columns + width - 1) / width
    func form(_ columns: Int, _ stride: Int) -> Form {
      Form(
        rows: rows, columns: columns, depth: depth, stride: stride, isTransposed: isTransposed, accumulate: accumulate)
    }
    // Every image size makes a dozen; a long run over many sizes must not keep them all.
    if products.count >= 512 { forgetProducts() }
    let whole = try prepared(form(min(width, columns), columns))
    let last = try prepared(form(columns - (panels - 1) * width, columns))
    let scratchpadBytes = (max(whole[0].scratchpad_bytes, last[0].scratchpad_bytes) + 63) / 64 * 64
    scratchpads.reserve(team.count * scratchpadBytes)
    let scratchpad = scratchpads.base
    try team.forEach(panels, work: rows * columns * depth / 8) { panel, thread throws(OneDNNError) in
      var product = panel == panels - 1 ? last[thread] : whole[thread]
      try Self.check(
        headimpact_matmul_execute(
          &product, streams[thread], source, weights + panel * width * (isTransposed ? depth : 1) * 2,
          destination + panel * width, scratchpad + thread * scratchpadBytes), "dnnl_primitive_execute")
    }
  }

  /// A product of this form for each thread.
  private func prepared(_ form: Form) throws -> [headimpact_matmul] {
    if let made = products[form] { return made }
    headimpact_keep_libraries_serial()
    var made: [headimpact_matmul] = []
    do {
      for _ in 0..<team.count {
        var product = headimpact_matmul()
        // What fails leaves nothing behind.
        try Self.check(
          headimpact_matmul_create(
            engine, Int64(form.rows), Int64(form.columns), Int64(form.depth), Int64(form.depth),
            Int64(form.isTransposed ? form.depth : form.stride), Int64(form.stride), form.isTransposed ? 1 : 0,
            form.accumulate ? 1 : 0, &product), "dnnl_matmul")
        made.append(product)
      }
    } catch {
      Self.destroy(made)
      throw error
    }
    products[form] = made
    return made
  }

  private func forgetProducts() {
    for (_, made) in products { Self.destroy(made) }
    products.removeAll(keepingCapacity: true)
  }

  private static func destroy(_ made: [headimpact_matmul]) {
    for var product in made { headimpact_matmul_destroy(&product) }
  }

  private static func check(_ status: dnnl_status_t, _ call: String) throws(OneDNNError) {
    guard status == dnnl_success else { throw OneDNNError(call: call, status: status.rawValue) }
  }
}
