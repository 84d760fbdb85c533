/// The names of a checkpoint's tensors. Published files have older ones than transformers 5 writes; a file may have some of
/// each.
struct TensorNames: Sendable {
  /// What a name of transformers 5 begins with, and what it began with before.
  typealias Renaming = (old: String, new: String)

  private let renamings: [Renaming]
  private let kept: [String]
  /// Those that the file has no new name of.
  private let writtenOld: [Renaming]

  /// - Parameters:
  ///   - names: the checkpoint's.
  ///   - renamings: the first whose old beginning a name has is done.
  ///   - kept: beginnings that are never renamed.
  init(_ names: some Collection<String>, renamings: [Renaming], kept: [String] = []) {
    self.renamings = renamings
    self.kept = kept
    let present = renamings.filter { renaming in names.contains { $0.hasPrefix(renaming.new) } }.map(\.new)
    writtenOld = renamings.filter { !present.contains($0.new) }
  }

  /// A name as transformers 5 has it.
  func current(_ name: String) -> String {
    guard !kept.contains(where: name.hasPrefix),
      let renaming = renamings.first(where: { name.hasPrefix($0.old) })
    else { return name }
    return renaming.new + name.dropFirst(renaming.old.count)
  }

  /// The name that this checkpoint would have for a tensor.
  func written(_ name: String) -> String {
    guard let renaming = writtenOld.first(where: { name.hasPrefix($0.new) }) else { return name }
    return renaming.old + name.dropFirst(renaming.new.count)
  }
}
