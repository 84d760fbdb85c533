import Foundation
import IO
import Kernels
import Safetensors

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
///
/// Names are those of transformers 5, whatever the checkpoint's are.
final class WeightLoader {
  private let checkpoint: SafetensorsCheckpoint
  private var tensors: [String: TensorView] = [:]
  private var unused: Set<String> = []
  private var problems: [String] = []
  private let names: TensorNames
  /// One for each length, so that a lying config.json costs no memory for every layer that it claims.
  private var zeros: [Int: Tensor] = [:]

  init(_ checkpoint: SafetensorsCheckpoint, _ names: TensorNames) {
    self.checkpoint = checkpoint
    self.names = names
    for tensor in checkpoint.tensors.values.sorted(by: { $0.name < $1.name }) {
      if let other = tensors.updateValue(tensor, forKey: names.current(tensor.name)) {
        problems.append(
          "\(tensor.name): is the same tensor as \(other.name), under an older name; remove one of the two")
      }
    }
    unused = Set(tensors.keys)
  }

  /// Of the checkpoint, as errors and remarks name it.
  var folder: String { checkpoint.folder.path }

  func has(_ name: String) -> Bool { tensors[name] != nil }

  /// Whether every tensor asked for is there and fits. What stands for one that isn't must not be read.
  var isSoundSoFar: Bool { problems.isEmpty }

  /// A weight whose first axis is its rows; further axes of the file (a convolution's kernel) are its columns.
  func matrix(_ name: String, rows: Int, columns: Int, fileShape: [Int]? = nil) -> Tensor {
    let shape = fileShape ?? [rows, columns]
    guard let tensor = take(name, shape: shape), let elementType = elementType(of: tensor) else {
      return .empty(rows: rows, columns: columns)
    }
    return tensor.withBytes { bytes in
      guard let base = bytes.baseAddress else { return .empty(rows: rows, columns: columns) }
      return Tensor(owner: tensor.file, base: base, elementType: elementType, rows: rows, columns: columns)
    }
  }

  /// A norm's or a layer scale's vector, widened to float32. - Shape: [1, count].
  func row(_ name: String, count: Int, fileShape: [Int]? = nil) -> Tensor {
    if let values = bias(name, count: count, fileShape: fileShape) { return Tensor(values) }
    let stand = zeros[count] ?? Tensor([Float](repeating: 0, count: count))
    zeros[count] = stand
    return stand
  }

  /// A linear layer's bias, widened to float32; nil if it couldn't be taken, and `finish` will throw.
  func bias(_ name: String, count: Int, fileShape: [Int]? = nil) -> [Float]? {
    guard let tensor = take(name, shape: fileShape ?? [count]), let elementType = elementType(of: tensor) else {
      return nil
    }
    return tensor.withBytes { bytes in
      guard let base = bytes.baseAddress else { return nil }
      return Tensor(owner: tensor.file, base: base, elementType: elementType, rows: 1, columns: count).floats()
    }
  }

  /// Tensors that published files hold and the family never uses: layers behind the one whose output it takes.
  ///
  /// - Parameter beginnings: of their names in transformers 5.
  func leaveOut(_ beginnings: [String]) {
    unused = unused.filter { name in !beginnings.contains { name.hasPrefix($0) } }
  }

  /// - Returns: what the user should know of tensors that no number depends on.
  /// - Throws: `WeightError` with everything that was missing, misshapen, of an unknown type, or left over though a
  ///   number could depend on it.
  func finish() throws -> [String] {
    var ignored: [String] = []
    for name in unused.sorted() {
      let shown = tensors[name]?.name ?? name
      if let objection = UnusedTensors.objection(to: name) {
        problems.append("\(shown): \(objection)")
      } else {
        ignored.append(shown)
      }
    }
    guard problems.isEmpty else { throw WeightError(folder: checkpoint.folder.path, problems: problems) }
    guard !ignored.isEmpty else { return checkpoint.remarks }
    let shown = ignored.prefix(8).joined(separator: ", ")
    let more = ignored.count > 8 ? " and \(ignored.count - 8) more" : ""
    return checkpoint.remarks + [
      "\(checkpoint.folder.path): \(agreeing(with: ignored.count, "a tensor is", "\(ignored.count) tensors are")) not used, as no number depends on "
        + "\(agreeing(with: ignored.count, "it", "them")): \(shown)\(more)"
    ]
  }

  private func take(_ name: String, shape: [Int]) -> TensorView? {
    guard let tensor = tensors[name] else {
      let written = names.written(name)
      let place = checkpoint.unheld[written].map { "; the index places it in \($0), which doesn't hold it" } ?? ""
      problems.append("\(written): is missing; its shape would be \(shape)\(place)")
      return nil
    }
    unused.remove(name)
    guard tensor.shape == shape else {
      problems.append("\(tensor.name): has shape \(tensor.shape); config.json asks for \(shape)")
      return nil
    }
    return tensor
  }

  private func elementType(of tensor: TensorView) -> ElementType? {
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

extension Tensor {
  /// Stands in for a tensor that couldn't be taken until `finish` throws; nothing reads it.
  fileprivate static func empty(rows: Int, columns: Int) -> Tensor {
    Tensor(owner: NoOwner.shared, base: NoOwner.shared.base, elementType: .bf16, rows: rows, columns: columns)
  }
}

/// `@unchecked Sendable` invariant: the pointer is never read.
private final class NoOwner: @unchecked Sendable {
  static let shared = NoOwner()
  let base = UnsafeRawPointer(UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64))
}
