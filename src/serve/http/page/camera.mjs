import { byId } from './elements.mjs';

const refused =
  'The camera was not allowed. Allow it for this page in the browser, then open this again.';

/** The camera, where there is one: browsers give it to pages of this machine and over TLS only. */
export function takePhotos(onPicture) {
  if (!navigator.mediaDevices) return;
  const dialog = byId('camera-dialog');
  const video = byId('video');
  let stream;
  byId('camera').hidden = false;
  const open = async () => {
    setFault('');
    dialog.showModal();
    try {
      const wanted = { video: { facingMode: 'environment' } };
      stream = await navigator.mediaDevices.getUserMedia(wanted);
      // Closed while the browser was asking for permission.
      if (!dialog.open) return stop(stream);
      video.srcObject = stream;
      await video.play();
      byId('shoot').disabled = false;
    } catch (error) {
      const isRefused = error.name === 'NotAllowedError';
      setFault(isRefused ? refused : 'There is no camera to use.');
    }
  };
  byId('camera').addEventListener('click', () => void open());
  byId('shoot').addEventListener('click', () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext('2d').drawImage(video, 0, 0);
    canvas.toBlob((blob) => onPicture(blob), 'image/jpeg', 0.92);
    dialog.close();
  });
  byId('camera-close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => {
    if (stream) stop(stream);
    stream = undefined;
    video.srcObject = null;
    byId('shoot').disabled = true;
  });
}

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

function setFault(text) {
  byId('camera-fault').textContent = text;
  byId('camera-fault').hidden = text === '';
  byId('video').hidden = text !== '';
  byId('shoot').disabled = true;
}
