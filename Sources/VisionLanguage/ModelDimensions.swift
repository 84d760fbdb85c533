/// Sizes of a model that memory and time follow from.
public struct ModelDimensions: Sendable, Equatable {
  /// Of the vision tower and what joins it to the decoder.
  public struct Vision: Sendable, Equatable {
    public let layers: Int
    public let width: Int
    public let intermediateSize: Int
    /// Numbers of one flattened patch.
    public let patchWidth: Int
    /// Multiplications of the connector for one patch.
    public let connectorMultiplications: Int
    /// Whether an MLP has a third matrix, of the gate.
    public var isGated = false
    /// How many of the layers show a patch its window only.
    public var windowedLayers = 0
    /// Patches of a whole window.
    public var windowPatches = 0

    /// Patches that a patch sees, added up over the layers.
    ///
    /// - Parameter view: patches of its view.
    func seen(ofView view: Int) -> Int {
      (layers - windowedLayers) * view + windowedLayers * min(view, windowPatches)
    }
  }

  public let layers: Int
  public let heads: Int
  public let hiddenSize: Int
  public let intermediateSize: Int
  public let queryWidth: Int
  public let keyValueWidth: Int
  public let vision: Vision
  /// About how many tokens a chat has beside the image, the prompt and the answer.
  public let templateTokens: Int

  /// Multiplications of a decoder layer's linear layers for one row.
  private var layerMultiplications: Int {
    2 * hiddenSize * queryWidth + 2 * hiddenSize * keyValueWidth + 3 * hiddenSize * intermediateSize
  }

  /// The same of all layers.
  var decoderMultiplications: Int { layers * layerMultiplications }

  /// Multiplications of the vision tower's linear layers for one patch.
  var visionMultiplications: Int {
    vision.layers
      * (4 * vision.width * vision.width + (vision.isGated ? 3 : 2) * vision.width * vision.intermediateSize)
      + vision.patchWidth * vision.width + vision.connectorMultiplications
  }

  /// Multiplications of one forward pass: linear layers and attention.
  ///
  /// - Parameters:
  ///   - image: what the image is to the model; nil if its size isn't known.
  ///   - textRows: rows of the decoder beside the image's.
  public func multiplications(_ image: VisualLayout.Load?, textRows: Int) -> Double {
    multiplications(ofTower: image) + multiplications(ofLayers: layers, rows: (image?.imageTokens ?? 0) + textRows)
  }

  /// Multiplications of the vision tower and the connector: linear layers and attention.
  ///
  /// - Parameter image: as above.
  public func multiplications(ofTower image: VisualLayout.Load?) -> Double {
    let (patches, seen) = (image?.patches ?? 0, image?.patchesInView ?? 0)
    return Double(patches) * (Double(visionMultiplications) + 2 * Double(vision.width * vision.seen(ofView: seen)))
  }

  /// Multiplications of some of the decoder's layers in a pass over so many rows: linear layers and attention.
  public func multiplications(ofLayers layers: Int, rows: Int) -> Double {
    Double(rows) * (Double(layers * layerMultiplications) + Double(layers * queryWidth * rows))
  }
}

extension ModelDimensions {
  init(_ text: DecoderConfiguration, vision: Vision, templateTokens: Int) {
    self.init(
      layers: text.numHiddenLayers, heads: text.numAttentionHeads, hiddenSize: text.hiddenSize,
      intermediateSize: text.intermediateSize, queryWidth: text.shape.queryWidth,
      keyValueWidth: text.shape.keyValueWidth, vision: vision, templateTokens: templateTokens)
  }
}

extension ModelDimensions.Vision {
  /// - Parameters:
  ///   - layers: how many of the tower's layers are run; nil for all.
  ///   - connectorMultiplications: of the connector for one patch.
  init(_ tower: PatchTowerConfiguration, layers: Int? = nil, connectorMultiplications: Int) {
    self.init(
      layers: layers ?? tower.numHiddenLayers, width: tower.hiddenSize, intermediateSize: tower.intermediateSize,
      patchWidth: tower.patchWidth, connectorMultiplications: connectorMultiplications)
  }
}

extension VisualLayout {
  /// What an image costs.
  public struct Load: Sendable, Equatable {
    /// Rows of the decoder.
    public let imageTokens: Int
    /// Rows of the vision tower.
    public let patches: Int
    /// Rows that a row of the vision tower sees.
    public let patchesInView: Int
  }

  public var load: Load {
    Load(imageTokens: imageTokens, patches: patches, patchesInView: patchesInView)
  }
}
