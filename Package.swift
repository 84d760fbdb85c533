// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// A module: a library target under `Sources/<name>`, with its tests under `Tests/<name>Tests`.
func module(
  _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil, settings: [SwiftSetting] = []
) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict + settings)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.byName(name: name), "TestSupport"] + dependencies, exclude: exclude,
    swiftSettings: strict)
}

// Elsewhere than on x86-64 OpenBLAS multiplies (`CMatrixProduct` has no kernels for these). The serial one: the other starts threads
// when it is loaded, and ends the process if it can't.
#if arch(x86_64)
  let blas: [Target] = []
#else
  let blas: [Target] = [
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-serial-dev"])])
  ]
#endif

// MPI=mpich builds with MPICH (`make test-ranks MPI=mpich`).
let mpi =
  Context.environment["MPI"] == "mpich"
  ? (pkgConfig: "mpich", package: "libmpich-dev") : (pkgConfig: "ompi-c", package: "libopenmpi-dev")

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "headimpact",
  products: [.executable(name: "headimpact", targets: ["headimpact"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: blas + [
    // C libraries: module maps, and functions that wrap C macros.
    .systemLibrary(name: "CMPI", pkgConfig: mpi.pkgConfig, providers: [.apt([mpi.package])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
    .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4", providers: [.apt(["libtiff-dev"])]),
    .systemLibrary(name: "CGIF", pkgConfig: "libgif", providers: [.apt(["libgif-dev"])]),
    .systemLibrary(name: "CCairo", pkgConfig: "cairo", providers: [.apt(["libcairo2-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    // libpng reports errors by longjmp, which must not cross Swift; libtiff has variadic functions.
    .target(
      name: "CImageCodecs", dependencies: ["CPNG", "CWebP", "CTIFF", "CGIF"], linkerSettings: [.linkedLibrary("z")]),
    // Swift can't compile one function for several processors; C can.
    .target(
      name: "CVectorMath", cSettings: [.unsafeFlags(["-O3", "-fno-math-errno"])]),
    // Matrix products. Optimised in debug builds too: these would take hours.
    .target(name: "CMatrixProduct", cSettings: [.unsafeFlags(["-O2"])]),

    // Signal handlers may call only what is async-signal-safe.
    .target(name: "CSignals"),
    // simdjson is C++.
    .target(name: "CSimdJSON", cxxSettings: [.unsafeFlags(["-O3"])], linkerSettings: [.linkedLibrary("simdjson")]),

    module("IO", ["CCrypto", "CSignals"]),
    module("JSON", ["CSimdJSON"]),
    // Lifetimes: what is lent for a call can't outlive it (`Operand`).
    module(
      "Kernels", ["CMatrixProduct", "CVectorMath"] + blas.map { .byName(name: $0.name) },
      settings: [.enableExperimentalFeature("Lifetimes")]),
    module("Safetensors", ["IO", "JSON"]),
    module("Tokenization", ["CPCRE2", "IO", "JSON"]),
    module("ChatTemplate"),
    module("ImageInput", ["CImageCodecs", "CPNG", "CTurboJPEG", "IO"]),
    module("Figures", ["CCairo", "COCO", "HeadImpact", "IO", "ImageInput"]),
    module("COCO", ["IO", "JSON"]),
    module("HeadImpact", ["COCO", "IO", "JSON"]),
    module("MessagePassing", ["CMPI", "IO"]),
    module("Comparison", ["HeadImpact"]),
    module("HDF5Store", ["CHDF5", "HeadImpact", "IO"]),
    module("Transformer", ["Kernels"]),
    module(
      "VisionLanguage",
      [
        "ChatTemplate", "HeadImpact", "IO", "ImageInput", "JSON", "Kernels", "Safetensors", "Tokenization",
        "Transformer",
      ]),
    module(
      "LowRankAdaptation",
      ["HeadImpact", "IO", "JSON", "Kernels", "Safetensors", "Tokenization", "Transformer", "VisionLanguage"]),
    module("Decoding", ["HeadImpact", "IO", "ImageInput", "Kernels", "RunSupport", "Transformer", "VisionLanguage"]),
    module("Launching", ["IO"]),
    module("RunSupport", ["IO", "ImageInput"]),
    module(
      "Jobs",
      [
        "COCO", "IO", "ImageInput", "Kernels", "LowRankAdaptation", "MessagePassing", "RunSupport", "Safetensors",
        "VisionLanguage",
      ]),
    module(
      "Scoring",
      [
        "COCO", "Decoding", "Evaluation", "Figures", "HDF5Store", "HeadImpact", "IO", "ImageInput", "Jobs", "Kernels",
        "MessagePassing", "RunSupport", "Safetensors", "Transformer", "VisionLanguage",
      ]),
    module(
      "AdapterTraining",
      [
        "COCO", "Figures", "HDF5Store", "HeadImpact", "IO", "ImageInput", "Jobs", "Kernels", "LowRankAdaptation",
        "MessagePassing", "Reporting", "RunSupport", "Safetensors", "Transformer", "VisionLanguage",
      ]),
    module(
      "Generation",
      ["COCO", "Decoding", "IO", "ImageInput", "Jobs", "Kernels", "MessagePassing", "RunSupport", "VisionLanguage"]),
    module(
      "AttentionMaps",
      [
        "COCO", "Decoding", "Figures", "HeadImpact", "IO", "ImageInput", "Kernels", "LowRankAdaptation", "RunSupport",
        "Safetensors", "VisionLanguage",
      ]),
    module(
      "Grounding",
      [
        "COCO", "Figures", "HeadImpact", "IO", "ImageInput", "JSON", "Jobs", "Kernels", "MessagePassing", "RunSupport",
        "VisionLanguage",
      ]),
    module(
      "KeyObjects",
      [
        "COCO", "Figures", "HeadImpact", "IO", "ImageInput", "JSON", "Kernels", "RunSupport", "Safetensors",
        "VisionLanguage",
      ]),
    module("Evaluation", ["COCO", "CPCRE2", "Figures", "HDF5Store", "HeadImpact", "IO"]),
    module("Reporting", ["COCO", "Comparison", "Figures", "HDF5Store", "HeadImpact", "IO", "ImageInput"]),
    module(
      "Experiment",
      [
        "AdapterTraining", "COCO", "Decoding", "Demonstration", "Evaluation", "Figures", "Generation", "HDF5Store",
        "HeadImpact", "IO", "ImageInput", "Jobs", "Kernels", "LowRankAdaptation", "MessagePassing", "Reporting",
        "RunSupport", "Safetensors", "Scoring", "Transformer", "VisionLanguage",
        .product(name: "Yams", package: "Yams"),
      ]),
    module("Demonstration", ["HeadImpact", "IO"], resources: [.copy("Model")]),
    .executableTarget(
      name: "headimpact",
      dependencies: [
        "AdapterTraining", "AttentionMaps", "COCO", "Comparison", "Decoding", "Demonstration", "Evaluation",
        "Experiment", "Figures", "Generation", "Grounding", "HDF5Store", "HeadImpact", "IO", "ImageInput", "Jobs",
        "Kernels", "KeyObjects", "Launching", "LowRankAdaptation", "MessagePassing", "Reporting", "RunSupport",
        "Scoring", "Transformer", "VisionLanguage", argumentParser,
      ],
      path: "Sources/CommandLine",
      swiftSettings: strict),

    .target(
      name: "TestSupport", dependencies: ["ChatTemplate", "Safetensors"], path: "Tests/TestSupport",
      swiftSettings: strict),
    .executableTarget(
      name: "mpi-cases",
      dependencies: [
        "AdapterTraining", "HDF5Store", "HeadImpact", "IO", "Jobs", "Kernels", "MessagePassing", "RunSupport",
        "VisionLanguage",
      ],
      path: "Tests/mpi-cases",
      swiftSettings: strict),
    .executableTarget(
      name: "kernel-cases", dependencies: ["Kernels"], path: "Tests/kernel-cases", swiftSettings: strict),
    // What `make bench-products` runs: no part of the product.
    .target(
      name: "CProductRates", path: "Benchmarks/CProductRates", cSettings: [.unsafeFlags(["-O3"])],
      linkerSettings: [.linkedLibrary("dl")]),
    .executableTarget(
      name: "product-rates", dependencies: ["CProductRates", "Kernels", argumentParser], path: "Benchmarks/Products",
      swiftSettings: strict),
    .executableTarget(
      name: "chat-template-cases", dependencies: ["ChatTemplate", "TestSupport"], path: "Tests/chat-template-cases",
      swiftSettings: strict),
    tests(of: "JSON", exclude: ["Goldens"]),
    tests(of: "IO"),
    tests(of: "Kernels", ["CVectorMath"]),
    tests(of: "Safetensors", ["IO"]),
    tests(of: "Tokenization", ["JSON"], exclude: ["Goldens"]),
    tests(of: "ImageInput", ["IO"]),
    tests(of: "COCO", ["IO", "JSON"]),
    tests(of: "Launching"),
    tests(of: "MessagePassing"),
    tests(of: "HDF5Store", ["HeadImpact"], exclude: ["Goldens"]),
    tests(of: "Transformer", ["Kernels"]),
    tests(
      of: "VisionLanguage", ["COCO", "HeadImpact", "IO", "ImageInput", "Kernels", "Safetensors", "Transformer"],
      exclude: ["Goldens"]),
    tests(of: "HeadImpact", ["COCO"], exclude: ["Goldens"]),
    tests(of: "Comparison", ["HeadImpact"]),
    tests(of: "Evaluation", ["COCO", "HDF5Store", "HeadImpact"], exclude: ["Goldens"]),
    tests(
      of: "LowRankAdaptation",
      ["HeadImpact", "IO", "ImageInput", "Kernels", "Safetensors", "Tokenization", "Transformer", "VisionLanguage"],
      exclude: ["Goldens"]),
    tests(of: "RunSupport", ["IO", "ImageInput"]),
    tests(of: "Jobs", ["IO", "Kernels", "MessagePassing", "RunSupport", "VisionLanguage"]),
    tests(
      of: "Scoring",
      [
        "COCO", "HDF5Store", "HeadImpact", "IO", "ImageInput", "Jobs", "Kernels", "RunSupport", "Safetensors",
        "Transformer", "VisionLanguage",
      ], exclude: ["Ablation/Goldens"]),
    tests(of: "Figures", ["COCO", "HeadImpact", "ImageInput"]),
    tests(of: "ChatTemplate", exclude: ["Goldens"]),
    tests(of: "Reporting", ["Comparison", "Figures", "HDF5Store", "HeadImpact", "IO", "ImageInput"]),
    tests(
      of: "AdapterTraining",
      [
        "COCO", "HDF5Store", "IO", "ImageInput", "Kernels", "LowRankAdaptation", "MessagePassing", "RunSupport",
        "Safetensors", "Transformer", "VisionLanguage",
      ], exclude: ["Goldens"]),
    tests(
      of: "Generation",
      [
        "COCO", "Decoding", "Demonstration", "HeadImpact", "ImageInput", "Kernels", "RunSupport", "Transformer",
        "VisionLanguage",
      ],
      exclude: ["Goldens"]),
    tests(of: "Experiment", ["HeadImpact", "RunSupport", "Scoring"]),
    tests(of: "Grounding", ["COCO", "HeadImpact", "IO", "RunSupport"], exclude: ["Goldens"]),
    tests(of: "KeyObjects", ["COCO", "Demonstration", "HeadImpact", "IO", "ImageInput"]),
    tests(of: "AttentionMaps", ["COCO", "Figures", "HDF5Store", "HeadImpact", "ImageInput"]),
    tests(of: "Demonstration", ["IO"]),
    .testTarget(
      name: "CommandLineTests", dependencies: ["HDF5Store", "TestSupport", "headimpact"], exclude: ["Help"],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)

// HEADIMPACT_TESTS=Kernels,COCO builds only the tests of these modules, or a program, and their dependencies
// (`make sanitize`).
if let modules = Context.environment["HEADIMPACT_TESTS"] {
  var needed = Set<String>()
  func need(_ name: String) {
    guard let target = package.targets.first(where: { $0.name == name }), needed.insert(name).inserted else { return }
    for case .byNameItem(let dependency, _) in target.dependencies { need(dependency) }
  }
  for name in modules.split(separator: ",") {
    need("\(name)Tests")
    need(String(name))
  }
  package.products = []
  package.targets.removeAll { !needed.contains($0.name) }
}

// HEADIMPACT_FUZZ=1 adds the fuzzer, which links libFuzzer (`make fuzz`).
if Context.environment["HEADIMPACT_FUZZ"] != nil {
  package.targets += [
    .target(
      name: "FuzzTargets",
      dependencies: [
        "COCO", "ChatTemplate", "Experiment", "Generation", "HDF5Store", "HeadImpact", "ImageInput", "JSON", "Jobs",
        "Kernels", "LowRankAdaptation", "MessagePassing", "RunSupport", "Safetensors", "Scoring", "Tokenization",
        "VisionLanguage",
      ],
      path: "Tests/Fuzzing/FuzzTargets", swiftSettings: strict),
    .executableTarget(name: "fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzzing/fuzz"),
  ]
}
