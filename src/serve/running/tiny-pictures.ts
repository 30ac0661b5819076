/**
 * The smallest pictures that go the ways that all others go: a JPEG of 8 × 8 by libjpeg-turbo, a PNG by sharp, and a
 * GIF, which is always decoded in a worker. Made with sharp 0.35.
 */
export const tinyPictures: readonly Uint8Array[] = [
  '/9j/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAH/xAAdEAACAgEFAAAAAAAAAAAAAAABAgARUQMhIjFB/8QAFQEBAQAAAAAAAAAAAAAAAAAAAAP/xAAYEQADAQEAAAAAAAAAAAAAAAABAhEAA//aAAwDAQACEQMRAD8AjqqqukgQE1dsKPneN6xRweaIk36MgEwNBYDd/9k=',
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVQI12NgUPXKn7KT4R6zhm/RdAAcjwSLr2cYJgAAAABJRU5ErkJggg==',
  'R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=',
].map((text) => Buffer.from(text, 'base64'));
