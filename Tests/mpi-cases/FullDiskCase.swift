import Foundation
import HDF5Store

/// Writes more than the process may, to the file named by the argument, and says what came of it. To be launched with a
/// limit on the size of files, which only a process of its own can have.
func fullDiskCase(_ arguments: [String]) throws {
  // The limit shall be an error of the write, as a full disk is, rather than a signal.
  signal(SIGXFSZ, SIG_IGN)
  let path = arguments[0]
  let inRows = arguments.count > 1
  try HDF5File.write(to: path) { file in
    let values = (0..<500_000).map { Double($0) }
    if inRows {
      try file.createDataset("rows", of: Double.self, shape: [100, 5000], storage: .compressed(chunk: [1, 5000]))
      for row in 0..<100 { try file.writeRows(Array(values[row * 5000..<(row + 1) * 5000]), to: "rows", from: row) }
    } else {
      try file.write(values, to: "values")
    }
  }
  print("written")
}
