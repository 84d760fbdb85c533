import Foundation
import TestSupport

/// A tiny case's dataset, in a folder of its own, to be broken by a test.
struct EditedDataset {
  let file: URL
  let images: URL
  private var contents: [String: Any]

  init(_ tiny: TinyCase, in scratch: ScratchFolder) throws {
    file = scratch.file("keyobjects.json")
    images = scratch.file("images")
    try FileManager.default.copyItem(at: tiny.images, to: images)
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: tiny.dataset))
    guard let contents = json as? [String: Any] else { throw CocoaError(.coderInvalidValue) }
    self.contents = contents
    try save()
  }

  /// Changes the image or annotation with this id.
  mutating func edit(_ list: String, _ id: Int, _ change: (inout [String: Any]) -> Void) throws {
    var entries = entries(list)
    guard let at = entries.firstIndex(where: { $0["id"] as? Int == id }) else { throw CocoaError(.coderValueNotFound) }
    change(&entries[at])
    contents[list] = entries
    try save()
  }

  /// Turns the order of a list round.
  mutating func reverse(_ list: String) throws {
    contents[list] = entries(list).reversed() as [[String: Any]]
    try save()
  }

  /// Repeats every image and annotation under new ids; the images' files stay the same.
  mutating func repeatEntries(_ times: Int) throws {
    for (list, keys) in [("images", ["id"]), ("annotations", ["id", "image_id"])] {
      let entries = entries(list)
      contents[list] = (0..<times).flatMap { round in
        entries.map { entry in
          var entry = entry
          for key in keys { entry[key] = (entry[key] as? Int ?? 0) + 1000 * round }
          return entry
        }
      }
    }
    try save()
  }

  private func entries(_ list: String) -> [[String: Any]] { contents[list] as? [[String: Any]] ?? [] }

  private func save() throws { try JSONSerialization.data(withJSONObject: contents).write(to: file) }
}
