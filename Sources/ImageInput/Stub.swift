import Foundation
public struct RGBImage: Sendable { public let width: Int; public let height: Int; public let pixels: [UInt8]
  public init(width: Int, height: Int, pixels: [UInt8]) { self.width = width; self.height = height; self.pixels = pixels } }
public func decodeImage(contentsOf url: URL) throws -> RGBImage { RGBImage(width: 0, height: 0, pixels: []) }
public func encodePNG(_ image: RGBImage) throws -> [UInt8] { [] }
public struct PatchBatch: Sendable { public let pixelValues: [Float]; public let gridTHW: (t: Int, h: Int, w: Int) }
public struct PatchImageProcessor: Sendable {
  public let patchSize = 14, mergeSize = 2, temporalPatchSize = 2
  public init(contentsOf url: URL) throws {}
  public func grid(width: Int, height: Int) throws -> (t: Int, h: Int, w: Int) { (1, 0, 0) }
  public func process(_ image: RGBImage) throws -> PatchBatch { PatchBatch(pixelValues: [], gridTHW: (1, 0, 0)) }
}
