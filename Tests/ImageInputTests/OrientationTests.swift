import Foundation
import TestSupport
import Testing

@testable import ImageInput

@Suite("Orientation")
struct OrientationTests {
  /// The upright picture for each orientation of a stored one of two rows, 1 2 3 and 4 5 6.
  static let turned: [(orientation: Int, width: Int, upright: [UInt8])] = [
    (1, 3, [1, 2, 3, 4, 5, 6]), (2, 3, [3, 2, 1, 6, 5, 4]), (3, 3, [6, 5, 4, 3, 2, 1]), (4, 3, [4, 5, 6, 1, 2, 3]),
    (5, 2, [1, 4, 2, 5, 3, 6]), (6, 2, [4, 1, 5, 2, 6, 3]), (7, 2, [6, 3, 5, 2, 4, 1]), (8, 2, [3, 6, 2, 5, 1, 4]),
  ]

  @Test("each orientation puts every pixel in its place", arguments: turned)
  func places(orientation: Int, width: Int, upright: [UInt8]) throws {
    let stored = RGBImage(width: 3, height: 2, pixels: (1...6).flatMap { [$0, $0 + 10, $0 + 20] })
    let turned = stored.turned(by: try #require(Orientation(rawValue: orientation)))
    #expect(turned.width == width)
    #expect(turned.height == 6 / width)
    #expect(turned.pixels == upright.flatMap { [$0, $0 + 10, $0 + 20] })
  }

  @Test("a large picture is turned in whole", arguments: Orientation.allCases)
  func large(orientation: Orientation) {
    let (width, height) = (200, 131)
    let stored = RGBImage(
      width: width, height: height, pixels: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 / 3 &* 7) })
    var turned = stored.turned(by: orientation)
    // Turning anew by the opposite gives the stored picture.
    let opposite: Orientation = [.turnedLeft: .turnedRight, .turnedRight: .turnedLeft][orientation] ?? orientation
    turned = turned.turned(by: opposite)
    #expect(turned == stored)
  }

  @Test(
    "the header says the stored size, the upright one and the orientation", arguments: ["jpg", "png", "webp", "tif"])
  func header(format: String) throws {
    for orientation in 0...9 {
      let header = try PictureHeader(contentsOf: fixture("turned-\(orientation).\(format)"))
      #expect(header.orientation == Orientation(rawValue: orientation) ?? .upright)
      #expect((header.storedWidth, header.storedHeight) == (11, 7))
      #expect((header.width, header.height) == ((5...8).contains(orientation) ? (7, 11) : (11, 7)))
    }
  }

  @Test("another size is a problem; where it is the unturned one, the tag is named")
  func sizes() throws {
    let turned = try PictureHeader(contentsOf: fixture("turned-6.jpg"))
    #expect(turned.problem(named: "p.jpg", statedSize: (7, 11)) == nil)
    let unturned = turned.problem(named: "p.jpg", statedSize: (11, 7))
    #expect(unturned?.hasPrefix("p.jpg is 7x11 pixels") == true)
    #expect(unturned?.contains("EXIF orientation 6") == true)
    #expect(unturned?.contains("the size before turning") == true)
    #expect(turned.problem(named: "p.jpg", statedSize: (5, 5))?.contains("before turning") == false)
    let upright = try PictureHeader(contentsOf: fixture("turned-1.jpg"))
    #expect(upright.problem(named: "p.jpg", statedSize: (7, 11)) == "p.jpg is 11x7 pixels; the dataset says 7x11")
  }

  @Test(
    "pictures stored turned come out as those stored upright (case exif-orientation)",
    .enabled(if: SharedData.has("cases/exif-orientation"), "\(SharedData.absence)"))
  func sharedCase() throws {
    let folder = SharedData.file("cases/exif-orientation")
    for kind in ["turned-90", "turned-180"] {
      for index in 1...4 {
        let name = "\(kind)-\(index).jpg"
        let turned = try decodeImage(contentsOf: folder.appendingPathComponent("\(kind)/\(name)"))
        let upright = try decodeImage(contentsOf: folder.appendingPathComponent("upright/\(name)"))
        #expect((turned.width, turned.height) == (upright.width, upright.height), "\(name)")
        // They were compressed each for itself.
        let differences = zip(turned.pixels, upright.pixels).map { abs(Int($0) - Int($1)) }
        #expect(Double(differences.reduce(0, +)) / Double(differences.count) < 4, "\(name)")
      }
    }
  }
}
