// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// A room of the house: a library target under `Sources/<name>`, and its tests under `Tests/<name>Tests`.
func room(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.byName(name: name), "TestSupport"] + dependencies, exclude: exclude,
    swiftSettings: strict)
}

// On x86-64 oneDNN multiplies in float32 too. OpenBLAS starts threads when it is loaded, and ends the process where it can't.
#if arch(x86_64)
  let blas: [Target] = []
#else
  let blas: [Target] = [
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-serial-dev"])])
  ]
#endif

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "headimpact",
  products: [.executable(name: "headimpact", targets: ["headimpact"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: blas + [
    // C libraries: module maps, and functions that return what is a macro in C.
    .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
    .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4", providers: [.apt(["libtiff-dev"])]),
    .systemLibrary(name: "CGIF", pkgConfig: "libgif", providers: [.apt(["libgif-dev"])]),
    .systemLibrary(name: "CCairo", pkgConfig: "cairo", providers: [.apt(["libcairo2-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    // libpng reports errors by longjmp, which must not cross Swift; libtiff has functions of variable arguments.
    .target(
      name: "CImageCodecs", dependencies: ["CPNG", "CWebP", "CTIFF", "CGIF"], linkerSettings: [.linkedLibrary("z")]),
    // Swift can't compile one function for several processors; C can.
    .target(
      name: "CVectorMath", cSettings: [.unsafeFlags(["-O3", "-fno-math-errno"])],
      linkerSettings: [.linkedLibrary("gomp")]),

    room("TensorCore"),
    room("Kernels", ["COneDNN", "CVectorMath", "TensorCore"] + blas.map { .byName(name: $0.name) }),
    room("Safetensors", ["CCrypto", "Files"]),
    room("Patterns", ["CPCRE2"]),
    room("Tokenization", ["CPCRE2", "Files", "Patterns"]),
    room("ImageInput", ["CImageCodecs", "CPNG", "CTurboJPEG", "Files"]),
    room("Drawing", ["CCairo", "ImageInput", "Markup"]),
    room("COCO", ["Files"]),
    room("MessagePassing", ["CMPI"]),
    room("HDF5Store", ["CHDF5"]),
    room("Files"),
    room("ChatTemplate"),
    room("Markup"),
    room("Transformer", ["Kernels", "TensorCore"]),
    room(
      "VisionLanguage",
      [
        "ChatTemplate", "Files", "HeadImpact", "ImageInput", "Kernels", "Safetensors", "TensorCore", "Tokenization",
        "Transformer",
      ]),
    room("HeadImpact", ["COCO", "Files"]),
    room("Evaluation", ["COCO", "CPCRE2", "HDF5Store", "HeadImpact"]),
    room("HeadImpactStore", ["HDF5Store", "HeadImpact"]),
    room(
      "LowRankAdaptation",
      ["Files", "HeadImpact", "Kernels", "Patterns", "Safetensors", "TensorCore", "Transformer", "VisionLanguage"]),
    room("Jobs", ["Files", "ImageInput", "MessagePassing", "Safetensors"]),
    room(
      "Survey",
      [
        "COCO", "Files", "HDF5Store", "HeadImpact", "HeadImpactStore", "ImageInput", "Jobs", "Kernels",
        "LowRankAdaptation", "MessagePassing", "Safetensors", "TensorCore", "VisionLanguage",
      ]),
    room(
      "AdapterTraining",
      [
        "COCO", "Files", "HDF5Store", "HeadImpact", "ImageInput", "Jobs", "Kernels", "LowRankAdaptation",
        "MessagePassing", "Safetensors", "TensorCore", "Transformer", "VisionLanguage",
      ]),
    room(
      "Generation",
      [
        "COCO", "Files", "HeadImpact", "ImageInput", "Jobs", "Kernels", "LowRankAdaptation", "MessagePassing",
        "Safetensors", "TensorCore", "Transformer", "VisionLanguage",
      ]),
    room(
      "Ablation",
      [
        "COCO", "Files", "HeadImpact", "ImageInput", "Jobs", "Kernels", "LowRankAdaptation", "MessagePassing",
        "Safetensors", "TensorCore", "Transformer", "VisionLanguage",
      ]),
    room(
      "AttentionPictures",
      [
        "COCO", "Files", "HeadImpact", "ImageInput", "Jobs", "Kernels", "LowRankAdaptation", "Markup", "Safetensors",
        "TensorCore", "VisionLanguage",
      ]),
    room(
      "KeyObjects",
      [
        "COCO", "Drawing", "Files", "Generation", "HeadImpact", "ImageInput", "Jobs", "Kernels", "Markup",
        "MessagePassing", "Safetensors", "TensorCore", "VisionLanguage",
      ]),
    room(
      "Experiment",
      [
        "Ablation", "AdapterTraining", "COCO", "Demonstration", "Evaluation", "Files", "Generation", "HeadImpact",
        "HeadImpactStore", "ImageInput", "Jobs", "Kernels", "LowRankAdaptation", "MessagePassing", "Reporting",
        "Safetensors", "Survey", "TensorCore", "Transformer", "VisionLanguage", .product(name: "Yams", package: "Yams"),
      ]),
    room(
      "Reporting",
      ["COCO", "Files", "HDF5Store", "HeadImpact", "HeadImpactStore", "ImageInput", "Markup", "Safetensors"]),
    room("Demonstration", ["Files", "HeadImpact"], resources: [.copy("Model")]),
    .executableTarget(
      name: "headimpact",
      dependencies: [
        "Ablation", "AdapterTraining", argumentParser, "AttentionPictures", "Demonstration", "Evaluation", "Experiment",
        "Generation", "HeadImpact", "HeadImpactStore", "ImageInput", "Jobs", "KeyObjects", "LowRankAdaptation",
        "MessagePassing", "Reporting", "Survey", "TensorCore", "Transformer",
      ],
      path: "Sources/CommandLine",
      swiftSettings: strict),

    .target(
      name: "TestSupport", dependencies: ["ChatTemplate", "Safetensors"], path: "Tests/TestSupport",
      swiftSettings: strict),
    .executableTarget(
      name: "mpi-cases", dependencies: ["AdapterTraining", "HDF5Store", "MessagePassing"],
      path: "Tests/mpi-cases",
      swiftSettings: strict),
    .executableTarget(
      name: "kernel-cases", dependencies: ["Kernels", "TensorCore"], path: "Tests/kernel-cases", swiftSettings: strict),
    .executableTarget(
      name: "chat-template-cases", dependencies: ["ChatTemplate", "TestSupport"], path: "Tests/chat-template-cases",
      swiftSettings: strict),
    tests(of: "Files"),
    tests(of: "TensorCore"),
    tests(of: "Kernels", ["CVectorMath", "TensorCore"]),
    tests(of: "Safetensors"),
    tests(of: "Tokenization", exclude: ["Goldens"]),
    tests(of: "ImageInput", ["Files"]),
    tests(of: "COCO"),
    tests(of: "MessagePassing"),
    tests(of: "HDF5Store"),
    tests(of: "Transformer", ["Kernels", "TensorCore"]),
    tests(
      of: "VisionLanguage",
      ["COCO", "Files", "HeadImpact", "ImageInput", "Kernels", "Safetensors", "TensorCore", "Transformer"],
      exclude: ["Goldens"]),
    tests(of: "HeadImpact", ["COCO"], exclude: ["Goldens"]),
    tests(of: "Evaluation", ["COCO", "HDF5Store", "HeadImpact"], exclude: ["Goldens"]),
    tests(of: "HeadImpactStore", ["HDF5Store", "HeadImpact"]),
    tests(
      of: "LowRankAdaptation",
      [
        "Files", "HeadImpact", "ImageInput", "Kernels", "Patterns", "Safetensors", "TensorCore", "Transformer",
        "VisionLanguage",
      ], exclude: ["Goldens"]),
    tests(of: "Jobs", ["Files", "ImageInput", "MessagePassing"]),
    tests(
      of: "Survey",
      ["COCO", "HDF5Store", "HeadImpact", "HeadImpactStore", "Jobs", "Kernels", "Safetensors", "VisionLanguage"]),
    tests(of: "Markup"),
    tests(of: "ChatTemplate", exclude: ["Goldens"]),
    tests(of: "Reporting", ["HDF5Store", "HeadImpact", "HeadImpactStore", "ImageInput", "Markup", "Safetensors"]),
    tests(
      of: "AdapterTraining",
      [
        "COCO", "HDF5Store", "ImageInput", "Jobs", "Kernels", "LowRankAdaptation", "Safetensors", "Transformer",
        "VisionLanguage",
      ], exclude: ["Goldens"]),
    tests(
      of: "Generation",
      ["COCO", "Demonstration", "ImageInput", "Jobs", "Kernels", "TensorCore", "Transformer", "VisionLanguage"],
      exclude: ["Goldens"]),
    tests(of: "Experiment", ["HeadImpact", "Jobs"]),
    tests(of: "KeyObjects", ["COCO", "Demonstration", "Files", "ImageInput", "MessagePassing"]),
    tests(of: "Ablation", ["COCO", "ImageInput", "Kernels", "Transformer", "VisionLanguage"], exclude: ["Goldens"]),
    tests(of: "AttentionPictures", ["COCO", "HDF5Store", "HeadImpact", "ImageInput"]),
    tests(of: "Demonstration", ["Files"]),
    .testTarget(
      name: "CommandLineTests", dependencies: ["HDF5Store", "TestSupport", "headimpact"], exclude: ["Help"],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)

// HEADIMPACT_TESTS=Kernels,COCO builds the tests of these modules alone, and what they depend on: `make sanitize` does.
if let modules = Context.environment["HEADIMPACT_TESTS"] {
  var needed = Set<String>()
  func need(_ name: String) {
    guard let target = package.targets.first(where: { $0.name == name }), needed.insert(name).inserted else { return }
    for case .byNameItem(let dependency, _) in target.dependencies { need(dependency) }
  }
  for module in modules.split(separator: ",") { need("\(module)Tests") }
  package.products = []
  package.targets.removeAll { !needed.contains($0.name) }
}

// HEADIMPACT_FUZZ=1 adds the fuzzer, which links libFuzzer: `make fuzz` does.
if Context.environment["HEADIMPACT_FUZZ"] != nil {
  package.targets += [
    .target(
      name: "FuzzTargets",
      dependencies: [
        "COCO", "ChatTemplate", "Experiment", "HeadImpact", "HeadImpactStore", "ImageInput", "Jobs", "Kernels",
        "LowRankAdaptation",
        "Safetensors", "Tokenization", "VisionLanguage",
      ],
      path: "Tests/Fuzzing/FuzzTargets", swiftSettings: strict),
    .executableTarget(name: "fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzzing/fuzz"),
  ]
}
