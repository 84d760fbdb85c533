#include "CImageCodecs.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

static void find_metadata(
    const WebPDemuxer *demuxer, const uint8_t *bytes, const char *name, size_t *offset, size_t *length) {
  WebPChunkIterator chunk;
  if (!WebPDemuxGetChunk(demuxer, name, 1, &chunk)) return;
  *offset = (size_t)(chunk.chunk.bytes - bytes);
  *length = chunk.chunk.size;
  WebPDemuxReleaseChunkIterator(&chunk);
}

int ci_webp_open(const uint8_t *bytes, size_t length, ci_webp_layout *layout) {
  memset(layout, 0, sizeof *layout);
  const WebPData data = {bytes, length};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state);
  if (demuxer == NULL) return state == WEBP_DEMUX_PARSE_ERROR ? CI_BAD : CI_ENDS_EARLY;
  int code = CI_BAD;
  WebPIterator frame;
  if (state != WEBP_DEMUX_DONE) {
    code = state == WEBP_DEMUX_PARSE_ERROR ? CI_BAD : CI_ENDS_EARLY;
  } else if (WebPDemuxGetFrame(demuxer, 1, &frame)) {
    layout->width = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH);
    layout->height = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
    layout->left = (uint32_t)frame.x_offset;
    layout->top = (uint32_t)frame.y_offset;
    layout->frame_width = (uint32_t)frame.width;
    layout->frame_height = (uint32_t)frame.height;
    layout->frame_offset = (size_t)(frame.fragment.bytes - bytes);
    layout->frame_length = frame.fragment.size;
    const int is_whole = frame.complete;
    WebPDemuxReleaseIterator(&frame);
    find_metadata(demuxer, bytes, "EXIF", &layout->exif_offset, &layout->exif_length);
    find_metadata(demuxer, bytes, "XMP ", &layout->xmp_offset, &layout->xmp_length);
    if (is_whole) code = CI_OK;
  }
  WebPDemuxDelete(demuxer);
  return code;
}

int ci_webp_size(const uint8_t *bytes, size_t length, uint32_t *width, uint32_t *height) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(bytes, length, &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) return CI_ENDS_EARLY;
  if (status != VP8_STATUS_OK) return CI_BAD;
  *width = (uint32_t)features.width;
  *height = (uint32_t)features.height;
  return CI_OK;
}

int ci_webp_decode(const uint8_t *bytes, const ci_webp_layout *layout, uint8_t *rgb) {
  const uint8_t *data = bytes + layout->frame_offset;
  if ((uint64_t)layout->left + layout->frame_width > layout->width ||
      (uint64_t)layout->top + layout->frame_height > layout->height) {
    return CI_BAD;
  }
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return CI_BAD;
  if (WebPGetFeatures(data, layout->frame_length, &config.input) != VP8_STATUS_OK) return CI_BAD;
  if ((uint32_t)config.input.width != layout->frame_width || (uint32_t)config.input.height != layout->frame_height) {
    return CI_BAD;
  }
  const size_t stride = 3 * (size_t)layout->width;
  const size_t start = layout->top * stride + 3 * (size_t)layout->left;
  if (stride > INT32_MAX) return CI_BAD;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = rgb + start;
  config.output.u.RGBA.stride = (int)stride;
  config.output.u.RGBA.size = stride * layout->height - start;
  const VP8StatusCode status = WebPDecode(data, layout->frame_length, &config);
  WebPFreeDecBuffer(&config.output);
  return status == VP8_STATUS_OK ? CI_OK
         : status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED ? CI_ENDS_EARLY
                                                                                  : CI_BAD;
}
