import Testing

@testable import Figures

@Suite("The veil of attention")
struct AttentionVeilTests {
  private let greys = (0...10).map { SIMD3<Double>(repeating: Double($0) / 10) }

  @Test("where there is no attention the photograph is as it was; the more there is, the less of it is seen")
  func opacity() {
    for grey in greys { #expect(AttentionVeil.colour(0, over: grey) == grey) }
    let opacities = (0...100).map { AttentionVeil.opacity(Double($0) / 100) }
    #expect(zip(opacities, opacities.dropFirst()).allSatisfy { $0 < $1 } && opacities[100] > 0.8)
    #expect(AttentionVeil.opacity(-1) == 0 && AttentionVeil.opacity(2) == opacities[100])
  }

  @Test("the highest attention can be told from every grey, and lightness falls along the palette")
  func contrast() {
    func oklab(_ c: SIMD3<Double>) -> Oklab { Oklab(Colour(red: c.x, green: c.y, blue: c.z)) }
    for grey in greys { #expect(oklab(AttentionVeil.colour(1, over: grey)).distance(to: oklab(grey)) > 0.15) }
    let lightness = (0...20).map { Palette.heat.oklab(at: Double($0) / 20).lightness }
    #expect(zip(lightness, lightness.dropFirst()).allSatisfy { $0 > $1 })
  }
}
