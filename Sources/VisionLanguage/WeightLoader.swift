import Safetensors
import TensorCore

/// Everything that is wrong with a checkpoint's tensors, in one error.
public struct WeightError: Error, CustomStringConvertible {
  public let folder: String
  public let problems: [String]

  public var description: String {
    let shown = problems.prefix(20).map { "\n  " + $0 }.joined()
    let more = problems.count > 20 ? "\n  and \(problems.count - 20) more" : ""
    return "\(folder): the weights don't fit config.json:\(shown)\(more)"
  }
}

/// Takes tensors out of a checkpoint by name and shape, and remembers what is missing, misshapen or left over, so that
/// `finish` can say everything at once.
final class WeightLoader {
  private let checkpoint: SafetensorsCheckpoint
  private var unused: Set<String>
  private var problems: [String] = []
  /// One for each length, so that a lying config.json costs no memory for every layer that it claims.
  private var zeros: [Int: [Float]] = [:]

  init(_ checkpoint: SafetensorsCheckpoint) {
    self.checkpoint = checkpoint
    unused = Set(checkpoint.tensors.keys)
  }

  func has(_ name: String) -> Bool { checkpoint.tensors[name] != nil }

  /// A weight whose first axis is its rows; further axes of the file (a convolution's kernel) are its columns.
  func matrix(_ name: String, rows: Int, columns: Int, fileShape: [Int]? = nil) -> WeightMatrix {
    let shape = fileShape ?? [rows, columns]
    guard let tensor = take(name, shape: shape), let elementType = elementType(of: tensor) else {
      return .empty(rows: rows, columns: columns)
    }
    return tensor.withBytes { bytes in
      guard let base = bytes.baseAddress else { return .empty(rows: rows, columns: columns) }
      return WeightMatrix(owner: tensor.file, base: base, elementType: elementType, rows: rows, columns: columns)
    }
  }

  /// A norm's vector, widened to float32.
  func vector(_ name: String, count: Int) -> [Float] {
    if let vector = bias(name, count: count) { return vector }
    let stand = zeros[count] ?? [Float](repeating: 0, count: count)
    zeros[count] = stand
    return stand
  }

  /// A linear layer's bias, widened to float32; nil where it couldn't be taken, and `finish` will throw.
  func bias(_ name: String, count: Int) -> [Float]? {
    guard let tensor = take(name, shape: [count]), let elementType = elementType(of: tensor) else { return nil }
    return tensor.withBytes { bytes in
      guard let base = bytes.baseAddress else { return nil }
      return WeightMatrix(owner: tensor.file, base: base, elementType: elementType, rows: 1, columns: count).floats()
    }
  }

  /// Marks a tensor that a checkpoint may hold and that nothing here needs.
  func allow(_ name: String, shape: [Int]) {
    if has(name) { _ = take(name, shape: shape) }
  }

  /// - Throws: `WeightError` with everything that was missing, misshapen, of an unknown type or never taken.
  func finish() throws {
    problems += unused.sorted().map { "\($0): is unexpected; the model has no such tensor" }
    guard problems.isEmpty else { throw WeightError(folder: checkpoint.folder.path, problems: problems) }
  }

  private func take(_ name: String, shape: [Int]) -> TensorView? {
    guard let tensor = checkpoint.tensors[name] else {
      problems.append("\(name): is missing; its shape would be \(shape)")
      return nil
    }
    unused.remove(name)
    guard tensor.shape == shape else {
      problems.append("\(name): has shape \(tensor.shape); config.json asks for \(shape)")
      return nil
    }
    return tensor
  }

  private func elementType(of tensor: TensorView) -> ElementType? {
    guard tensor.isAligned else {
      problems.append("\(tensor.name): starts at byte \(tensor.offset), which is not aligned to its elements")
      return nil
    }
    switch tensor.dtype {
    case .f32: return .f32
    case .bf16: return .bf16
    case .f16: return .f16
    default:
      problems.append("\(tensor.name): is \(tensor.dtype.rawValue); weights are F32, BF16 or F16")
      return nil
    }
  }
}

extension WeightMatrix {
  /// Stands in for a tensor that couldn't be taken until `finish` throws; nothing reads it.
  fileprivate static func empty(rows: Int, columns: Int) -> WeightMatrix {
    WeightMatrix(owner: NoOwner.shared, base: NoOwner.shared.base, elementType: .bf16, rows: rows, columns: columns)
  }
}

/// `@unchecked Sendable` invariant: the pointer is never read.
private final class NoOwner: @unchecked Sendable {
  static let shared = NoOwner()
  let base = UnsafeRawPointer(UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64))
}
