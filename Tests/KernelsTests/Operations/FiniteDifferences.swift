/// The gradient of a plain float64 function, by central differences.
func finiteDifferences(of f: ([Double]) -> Double, at x: [Double], step: Double = 1e-5) -> [Double] {
  var x = x
  return x.indices.map { i in
    let value = x[i]
    x[i] = value + step
    let above = f(x)
    x[i] = value - step
    let below = f(x)
    x[i] = value
    return (above - below) / (2 * step)
  }
}

func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

extension Array where Element == Float {
  var doubles: [Double] { map(Double.init) }
}
