/// config.json of a SmolVLM or Idefics3 checkpoint: one model under two names. What a file leaves out is the default of
/// transformers' classes.
struct SmolVLMConfiguration: Sendable, Equatable {
  let text: DecoderConfiguration
  let ropeTheta: Double
  let vision: PatchTowerConfiguration
  /// The side of the block of patches that becomes one visual token.
  let scaleFactor: Int
  let imageTokenId: Int

  /// As errors call it.
  static let family = "SmolVLM"

  /// Visual tokens along the side of a view.
  var tokensASide: Int { vision.patchesASide / scaleFactor }
  /// Numbers of the patches of one visual token.
  var shuffledWidth: Int { vision.hiddenSize * scaleFactor * scaleFactor }

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    guard let text = try file.object("text_config") else { throw file.wrong("text_config", "is missing") }
    guard let vision = try file.object("vision_config") else { throw file.wrong("vision_config", "is missing") }
    self.text = try DecoderConfiguration(text, of: file, kind: .llama, family: Self.family)
    ropeTheta =
      try DecoderConfiguration.rope(
        text, kinds: ["default"], theta: DecoderConfiguration.Kind.llama.ropeTheta, family: Self.family
      ).theta
    self.vision = try PatchTowerConfiguration(
      vision, modelTypes: ["smolvlm_vision", "idefics3_vision", "smolvlm", "idefics3"], kind: .idefics3,
      family: Self.family)
    guard Self.positionsAreWhole(self.vision.patchesASide) else {
      throw vision.wrong(
        "image_size",
        "is \(self.vision.imageSize) with a patch_size of \(self.vision.patchSize), \(self.vision.patchesASide) patches along a "
          + "side: for that many transformers rounds some patches to the position before, differently on other machines, which "
          + "is not supported (published ones have 26, 27 and 32)")
    }
    scaleFactor = try file.integer("scale_factor", in: 1...64, default: 2)
    guard self.vision.patchesASide.isMultiple(of: scaleFactor) else {
      throw file.wrong(
        "scale_factor",
        "is \(scaleFactor); it must divide the \(self.vision.patchesASide) patches along a side (vision_config: image_size "
          + "\(self.vision.imageSize), patch_size \(self.vision.patchSize))")
    }
    imageTokenId = try file.integer("image_token_id", in: 0...(self.text.vocabularySize - 1), default: 128_257)
  }
}

extension SmolVLMConfiguration {
  /// Whether each patch of a full tile has the position of its row and column.
  ///
  /// transformers looks for patch i of n at i · (1/n) among the sums 1/n, 2/n …, all rounded to single precision
  /// (`SmolVLMVisionEmbeddings`). Its sums depend on how many numbers a machine's processor computes at once.
  static func positionsAreWhole(_ patches: Int) -> Bool {
    let step = 1 / Double(patches)
    return [1, 4, 8, 16].allSatisfy { lanes in
      stride(from: 1, to: patches, by: 1).allSatisfy { patch in
        let before = patch - 1
        // Those at the end that fill no group are computed one by one.
        let first = before < (patches - 1) / lanes * lanes ? before / lanes * lanes : before
        let base = Float(step + step * Double(first))
        let bound = Float(Double(base) + step * Double(before - first))
        return Float(patch) * (1 / Float(patches)) >= bound
      }
    }
  }
}
