import Figures
import Testing

@Suite("Colours of figures")
struct PaletteTests {
  @Test("every colour of a palette can be shown, and neighbours are equally far apart", arguments: [0, 1])
  func evenSteps(which: Int) {
    let palette = [Palette.sequential, .diverging][which]
    let colours = (0...256).map { palette.oklab(at: Double($0) / 256) }
    for colour in colours.map(\.colour) {
      for channel in [colour.red, colour.green, colour.blue] { #expect((-0.002...1.002).contains(channel)) }
    }
    for half in [colours[...128], colours[128...]] {
      let steps = zip(half, half.dropFirst()).map { $0.distance(to: $1) }
      let mean = steps.reduce(0, +) / Double(steps.count)
      // A step over a stop cuts its corner.
      #expect(steps.allSatisfy { ($0 / mean - 1).magnitude < 0.08 })
    }
  }

  @Test("lightness rises all along the sequential palette: it reads the same in grey")
  func lightness() {
    let lightness = (0...100).map { Palette.sequential.oklab(at: Double($0) / 100).lightness }
    #expect(zip(lightness, lightness.dropFirst()).allSatisfy { $0 < $1 })
  }

  @Test("the diverging palette is lightest in its middle and as dark at both ends")
  func diverging() {
    let (low, high) = (Palette.diverging.oklab(at: 0), Palette.diverging.oklab(at: 1))
    #expect(Palette.diverging.oklab(at: 0.5).lightness == 0.95)
    #expect(abs(low.lightness - high.lightness) < 0.01)
    // Blue against yellow-brown, not red against green.
    #expect(low.b > 0.05 && high.b < -0.05)
  }

  @Test("sRGB goes to Oklab and back")
  func conversion() {
    for hex in [0x000000, 0xffffff, 0x0072b2, 0xff0000, 0x00ff00, 0x123456] {
      let colour = Colour(hex)
      #expect(Oklab(colour).colour.hex == colour.hex)
    }
    #expect(abs(Oklab(Colour(0xffffff)).lightness - 1) < 1e-6)
  }
}
